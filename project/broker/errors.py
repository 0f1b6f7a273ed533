"""Why the broker refuses a job."""

import json
from typing import Any


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
    message = ", ".join(map(str, args)) if isinstance(args, list | tuple) else str(args)
    return json.dumps({"type": name, "message": message})
