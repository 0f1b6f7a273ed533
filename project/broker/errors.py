"""Why the broker refuses a job."""


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
