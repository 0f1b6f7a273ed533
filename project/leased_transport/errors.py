"""Why the broker refuses a job."""

import json
import traceback
from typing import Any

LONGEST_TRACEBACK = 64 * 1024  # bytes that a record keeps of a traceback, and of an exception as Celery reads it
LONGEST_MESSAGE = 16 * 1024  # bytes of what an exception says
LONGEST_NAME = 200  # characters of an exception's class


class BrokerError(Exception):
    """The broker refuses the job."""


class JobExists(BrokerError):
    """A job with this id is known already; nothing was queued."""

    def __init__(self, job_id: str) -> None:
        """Say which id was refused."""
        super().__init__(f"job {job_id} exists already")


class QueueFull(BrokerError):
    """The queue holds as many waiting jobs as it may; nothing was queued."""

    def __init__(self, queue: str, limit: int) -> None:
        """Remember which queue is full."""
        super().__init__(f"queue {queue} is full: {limit} jobs wait")
        self.queue = queue


class Rejected(BrokerError):
    """A consumer could not read the job's message."""


class PoisonJob(BrokerError):
    """The job killed its consumer, or outlived its lease, in every attempt."""


def describe(result: Any) -> str:
    """Return the public form of an exception: a JSON object with type and message."""
    if isinstance(result, dict):
        name, args = result.get("exc_type"), result.get("exc_message")
    else:
        name, args = type(result).__name__, result.args
    message = ", ".join(map(_text, args)) if isinstance(args, list | tuple) else _text(args)
    return json.dumps({"type": str(name)[:LONGEST_NAME], "message": bounded(message, LONGEST_MESSAGE)})


def describe_retry(error: BaseException) -> dict[str, str]:
    """Return what the record of a job that will be tried again keeps of the error of its last run."""
    trace = "".join(traceback.format_exception(error))
    return {"error": describe(error), "traceback": bounded(trace, LONGEST_TRACEBACK)}


def bounded(text: str, limit: int) -> str:
    """Return a text that UTF-8 can carry; of one longer than *limit* bytes, its two ends."""
    raw = text.encode(errors="backslashreplace")
    if len(raw) <= limit:
        return raw.decode()
    half = limit // 2
    head, tail = (part.decode(errors="ignore") for part in (raw[:half], raw[-half:]))
    return f"{head}\n[{len(raw) - 2 * half} bytes left out]\n{tail}"


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # of an exception's argument, which may be anything
        return f"<{type(value).__name__}>"
