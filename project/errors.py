"""One family of errors; project/api/problems.py turns them into answers.

The first line of a class's docstring is the title that a client reads. Consumers raise them too, so nothing of FastAPI
is imported here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class GlassqueueError(Exception):
    """Something went wrong."""

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
    """The Idempotency-Key came with another body before; nothing was queued."""

    status = 409


class NotRequeueable(GlassqueueError):
    """Only a job that failed or was revoked can be requeued."""

    status = 409


class UnknownSchedule(GlassqueueError):
    """No schedule has this id: it was never made, was deleted, or ended some time ago."""

    status = 404


class ScheduleInvalid(GlassqueueError):
    """The schedule cannot be used; delete it and make it again."""

    status = 409


class ScheduleOfTheStack(GlassqueueError):
    """The schedule belongs to the stack and cannot be deleted; pause it with PATCH and {"paused": true}."""

    status = 409


class TooManySchedules(GlassqueueError):
    """SCHEDULE_LIMIT schedules are active or paused already; delete some, or set a higher limit."""

    status = 429
    headers: Mapping[str, str] = {"Retry-After": "60"}


class BrokerUnavailable(GlassqueueError):
    """Redis does not answer at the moment; try again."""

    status = 503
    headers: Mapping[str, str] = {"Retry-After": "2"}


class WritesRefused(BrokerUnavailable):
    """Redis answers, but can store nothing at the moment; try again."""

    headers: Mapping[str, str] = {"Retry-After": "5"}


class NotReady(GlassqueueError):
    """Something that jobs talk to does not answer."""

    status = 503
    headers: Mapping[str, str] = {"Retry-After": "5"}

    def __init__(self, detail: str = "", checks: Sequence[Any] | None = None) -> None:
        """Keep what was found about each part, for the answer."""
        super().__init__(detail)
        self.checks = checks


class DatabaseUnavailable(GlassqueueError):
    """The database does not answer at the moment; try again."""

    status = 503
    headers: Mapping[str, str] = {"Retry-After": "2"}


class DatabaseMismatch(DatabaseUnavailable):
    """The tables of the database are not those of this version; `make doctor` says what to do."""


class TooManyJobs(GlassqueueError):
    """The queue is full; try again when consumers have worked some of it off."""

    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__()
        self.headers = {"Retry-After": str(seconds)}


class TooManyListeners(GlassqueueError):
    """As many clients as may are waiting for jobs; try again, or ask without waiting."""

    status = 429
    headers: Mapping[str, str] = {"Retry-After": "5"}


class TooManyEventListeners(TooManyListeners):
    """MAX_EVENT_LISTENERS clients follow all jobs already; try again, or list jobs from time to time."""


class UnsupportedContentType(GlassqueueError):
    """The body must be sent as Content-Type: application/json."""

    status = 415
