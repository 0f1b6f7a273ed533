"""Query parameters and headers, validated."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self

from fastapi import Depends, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from project.jobs.submit_options import ChosenId, Eta, SubmitOptions, date_and_time, no_dot_segment
from project.task_options.body_limits import Limited

BODY_LIMIT = 1024 * 1024  # bytes, as NGINX's client_max_body_size; also enforced for requests that bypass NGINX
LONGEST_WAIT = 30  # seconds
YEAR = 366 * 24 * 60 * 60

ScheduleId = Annotated[str, Path(description="The id of the schedule"), AfterValidator(no_dot_segment)]
JobId = Annotated[str, Path(description="The id of the job"), AfterValidator(no_dot_segment)]


Moment = Annotated[AwareDatetime, BeforeValidator(date_and_time)]


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise PydanticCustomError("timezone_aware", "Input should have timezone info")
    return moment


class SubmitQuery(Limited):
    """The query parameters of a submit."""

    model_config = ConfigDict(extra="forbid")

    job_id: ChosenId | None = Field(default=None, description="An id of your choice")
    countdown: float | None = Field(default=None, ge=0, le=YEAR, description="Delay before the job runs, in seconds")
    eta: Annotated[Eta, AfterValidator(_aware)] | None = Field(
        default=None, description="Time at which the job runs (RFC 3339 with time zone), at most 8 years from now"
    )
    priority: int | None = Field(
        default=None, ge=0, le=9, description="0 is the most urgent, 9 the least; a job without one counts as 5"
    )

    @model_validator(mode="after")
    def _one_time_only(self) -> Self:
        if self.countdown is not None and self.eta is not None:
            raise ValueError("give countdown or eta, not both")
        return self


class LookUpQuery(Limited):
    """The query parameters of a look-up."""

    model_config = ConfigDict(extra="forbid")

    wait: float | None = Field(
        default=None,
        ge=0,
        le=LONGEST_WAIT,
        description="Seconds to wait for the end of the job",
    )
    traceback: bool = Field(default=False, description="`1` adds the traceback of the job's error")


IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[!-~]{1,255}$",
        description="A second submit with the same key and body returns the first job, as long as its record is kept",
    ),
]
Prefer = Annotated[str | None, Header(description="`wait=SECONDS` does the same as `?wait=` (RFC 7240)")]


@dataclass(frozen=True)
class LookUp:
    """How to look a job up: seconds to wait for its end, and whether to include the traceback."""

    wait: float
    traceback: bool


# async so that they need no thread: during an outage of Redis, waiting requests may hold all threads
async def _submission(
    query: Annotated[SubmitQuery, Query()], request: Request, idempotency_key: IdempotencyKey = None
) -> SubmitOptions:
    if query.job_id and idempotency_key:
        message = "an Idempotency-Key determines the id: send either job_id or Idempotency-Key"
        raise RequestValidationError([{"loc": ("query", "job_id"), "msg": message, "type": "value_error"}])
    if len(set(request.headers.getlist("idempotency-key"))) > 1:
        place, message = ("header", "idempotency-key"), "send one Idempotency-Key, not several different ones"
        raise RequestValidationError([{"loc": place, "msg": message, "type": "value_error"}])
    return SubmitOptions(**dict(query), idempotency_key=idempotency_key, request_id=_request_id(request))


async def _look_up(query: Annotated[LookUpQuery, Query()], request: Request, prefer: Prefer = None) -> LookUp:
    """Return how to look a job up; `?wait=` takes precedence over the header Prefer, which may be repeated."""
    if query.wait is not None:
        return LookUp(query.wait, query.traceback)
    prefer = ", ".join(request.headers.getlist("prefer"))
    preferred = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d+)\b", prefer, re.IGNORECASE)
    # nine digits are more than enough; Python refuses to read thousands of them
    return LookUp(min(int(preferred[1].lstrip("0")[:9] or 0), LONGEST_WAIT) if preferred else 0, query.traceback)


def _request_id(request: Request) -> str | None:
    """Return the id that NGINX gave the request, as a UUID."""
    return as_uuid(request.headers.get("x-request-id", ""))


def as_uuid(request_id: str) -> str | None:
    """Return 32 hexadecimal digits as a UUID, and None for any other text."""
    if not re.fullmatch("[0-9a-f]{32}", request_id):
        return None
    return "-".join((request_id[:8], request_id[8:12], request_id[12:16], request_id[16:20], request_id[20:]))


SubmitParameters = Annotated[SubmitOptions, Depends(_submission)]
HowToLookUp = Annotated[LookUp, Depends(_look_up)]
RequestId = Annotated[str | None, Depends(_request_id)]
