"""What a client may ask for its job besides the arguments."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from project.addresses import DOT_SEGMENTS

LONGEST_DELAY = timedelta(days=8 * 365)  # RabbitMQ delays messages by less than 2**28 seconds: 8.5 years


def no_dot_segment(name: str) -> str:
    """Return a name that can stand in the path of a URL; refuse one that cannot."""
    if name in DOT_SEGMENTS:
        raise PydanticCustomError("dot_segment", "Input should not be . or .., which the path of a URL cannot contain")
    return name


def date_and_time(moment: Any) -> Any:
    """Reject numbers, which pydantic would accept as unix seconds or milliseconds."""
    if moment is not None and not (isinstance(moment, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", moment)):
        expected = "Input should be a date and time as RFC 3339 has it, such as 2030-01-01T00:00:00Z"
        raise PydanticCustomError("date_and_time", expected)
    return moment


def _near(moment: datetime) -> datetime:
    if (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC) > LONGEST_DELAY:
        raise PydanticCustomError("too_far", f"Input should be at most {LONGEST_DELAY.days // 365} years from now")
    return moment


#: The time before which a job must not run; UTC if it has no time zone, as Celery has it.
Eta = Annotated[datetime, BeforeValidator(date_and_time), AfterValidator(_near)]

#: An id that a client chooses for its job.
ChosenId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._-]{1,128}$", json_schema_extra={"not": {"enum": list(DOT_SEGMENTS)}}),
    AfterValidator(no_dot_segment),
]


@dataclass(frozen=True)
class SubmitOptions:
    """How a job is submitted.

    request_id: distinguishes a request that NGINX retries at another producer from a new request.
    idempotency_key: names the client's intent; the same key means the same job.
    countdown: seconds from now; eta: the moment itself. priority: 0 is the most urgent, 9 the least; None counts as 5.
    queue: a queue other than the task's own.
    edited_from: the job whose arguments were edited to make this one.
    taken_from: a list in Redis and the entry of it that becomes this job, in one step with its admission.
    """

    job_id: str | None = None
    idempotency_key: str | None = None
    request_id: str | None = None
    countdown: float | None = None
    eta: datetime | None = None
    priority: int | None = None
    queue: str | None = None
    taken_from: tuple[str, bytes] | None = None
    edited_from: str | None = None

    def celery_options(self) -> dict[str, Any]:
        """Return the options of apply_async."""
        options = {"nonce": self.request_id, "countdown": self.countdown, "eta": self.eta, "priority": self.priority}
        options["queue"] = self.queue
        return {name: value for name, value in options.items() if value is not None}

    def headers(self, record: dict[str, str]) -> dict[str, Any]:
        """Return the headers for the transport: fields for the job's record, and the list entry to remove."""
        return {"record": record} | ({"taken_from": self.taken_from} if self.taken_from else {})
