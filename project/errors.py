"""Define the errors of this project; project/api/problems.py turns them into HTTP responses.

The first line of a class's docstring is the title that a client reads. Consumers raise these errors too, so this
module does not import FastAPI.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class GlassqueueError(Exception):
    """Internal error."""

    status: ClassVar[int] = 500
    headers: Mapping[str, str] = {}

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title())
        self.detail = detail

    @classmethod
    def title(cls) -> str:
        """Return the first line of the class's docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0]


class UnknownJob(GlassqueueError):
    """No job has this id here: it was never submitted, has expired, or belongs to another task."""

    status = 404


class JobIdTaken(GlassqueueError):
    """A job with this id exists already; nothing was queued."""

    status = 409


class IdempotencyKeyReused(GlassqueueError):
    """The Idempotency-Key was already used with another body; nothing was queued."""

    status = 409


class NotRequeueable(GlassqueueError):
    """Only a job that failed or was revoked can be requeued, and only while its task accepts its arguments."""

    status = 409


class NotEnded(GlassqueueError):
    """The job has not ended; cancel it first."""

    status = 409


class ArgumentsGone(GlassqueueError):
    """The arguments of this job are not known any more, or its task has no endpoint; submit a new job instead."""

    status = 409


class ChaosDisabled(GlassqueueError):
    """Breaking parts of the stack is not enabled here."""

    status = 403


class ChaosImpossible(GlassqueueError):
    """The action is not possible here."""

    status = 409


class UnknownSchedule(GlassqueueError):
    """No schedule has this id: it was never created, was deleted, or ended some time ago."""

    status = 404


class ScheduleInvalid(GlassqueueError):
    """The schedule is invalid; delete it and create it again."""

    status = 409


class ScheduleOfTheStack(GlassqueueError):
    """The schedule belongs to the stack and cannot be deleted; pause it with PATCH and {"paused": true}."""

    status = 409


class TooManySchedules(GlassqueueError):
    """The limit of active and paused schedules (SCHEDULE_LIMIT) is reached; delete some, or raise the limit."""

    status = 429
    headers: Mapping[str, str] = {"Retry-After": "60"}


class BrokerUnavailable(GlassqueueError):
    """Redis does not answer at the moment; try again."""

    status = 503
    headers: Mapping[str, str] = {"Retry-After": "2"}


class WritesRefused(BrokerUnavailable):
    """Redis answers, but cannot store data at the moment; try again."""

    headers: Mapping[str, str] = {"Retry-After": "5"}


class DamagedKey(GlassqueueError):
    """Another program has overwritten a key in Redis that this needs."""

    status = 503
    headers: Mapping[str, str] = {"Retry-After": "5"}


class NotReady(GlassqueueError):
    """A service that jobs need does not answer."""

    status = 503
    headers: Mapping[str, str] = {"Retry-After": "5"}

    def __init__(self, detail: str = "", checks: Sequence[Any] | None = None) -> None:
        """Store the findings of the checks, for the response."""
        super().__init__(detail)
        self.checks = checks


class DatabaseUnavailable(GlassqueueError):
    """The database does not answer at the moment; try again."""

    status = 503
    headers: Mapping[str, str] = {"Retry-After": "2"}


class DatabaseMismatch(DatabaseUnavailable):
    """The database tables do not match this version; run `make doctor` for the fix."""


class TooManyJobs(GlassqueueError):
    """The queue is full; try again when consumers have run some of its jobs."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(seconds)}


class TooManyListeners(GlassqueueError):
    """The maximum number of clients is already waiting for jobs; try again, or ask without waiting."""

    status = 429
    headers: Mapping[str, str] = {"Retry-After": "5"}


class TooManyEventListeners(TooManyListeners):
    """The maximum number of clients already follows all jobs (MAX_EVENT_LISTENERS); try again, or poll jobs."""


class UnsupportedContentType(GlassqueueError):
    """The body must be sent as Content-Type: application/json."""

    status = 415
