"""The errors of the transport, and what records keep of an exception."""

import json
import traceback
from typing import Any

LONGEST_TRACEBACK = 64 * 1024  # bytes that a record keeps of a traceback, and of an exception as Celery reads it
LONGEST_MESSAGE = 16 * 1024  # bytes of an exception's message
LONGEST_NAME = 200  # characters of an exception's class


class BrokerError(Exception):
    """The broker has refused the job."""


class JobExists(BrokerError):
    """A job with this id exists already; nothing was queued."""

    def __init__(self, job_id: str) -> None:
        """Name the id in the message."""
        super().__init__(f"job {job_id} exists already")


class QueueFull(BrokerError):
    """The maximum number of jobs is already waiting in the queue; nothing was queued."""

    def __init__(self, queue: str, limit: int) -> None:
        """Keep the name of the queue."""
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
    """Return the fields that describe the error of a run in the record of a job that will be retried."""
    trace = "".join(traceback.format_exception(error))
    return {"error": describe(error), "traceback": bounded(trace, LONGEST_TRACEBACK)}


def bounded(text: str, limit: int) -> str:
    """Return a text that can be encoded as UTF-8; cut out its middle if it is longer than *limit* bytes."""
    raw = text.encode(errors="backslashreplace")
    if len(raw) <= limit:
        return raw.decode()
    half = limit // 2
    head, tail = (part.decode(errors="ignore") for part in (raw[:half], raw[-half:]))
    return f"{head}\n[{len(raw) - 2 * half} bytes left out]\n{tail}"


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # the argument of an exception may be any object
        return f"<{type(value).__name__}>"
