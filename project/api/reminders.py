"""Reminders: schedules of `notify` jobs, with the field names of the service that this endpoint replaces."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, SecretStr, Strict

from project.api.deps import SchedulerDep
from project.api.parameters import RequestId
from project.api.paths import API
from project.api.problems import problem_responses
from project.api.schedule_models import ScheduleOut
from project.api.schedules import BODY_PROBLEMS, CREATED, JSON_BODY
from project.schedules.rules import make_rule
from project.schedules.schedule import Definition
from project.task_options.body_limits import Limited

router = APIRouter(prefix=f"{API}/remind_me", tags=["schedules"])

END_OF_CENTURY = 4_102_444_800  # unix seconds
HEADER = r"^[!-~]([ -~]{0,4000}[!-~])?$"


def _whole(number: Any) -> Any:
    """Accept 10.0 as 10, as JSON Schema does."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Whole = Annotated[int, Strict(), BeforeValidator(_whole)]  # strict: neither true nor "10" is a number
Id = Annotated[str, Field(max_length=1000)] | Whole


def _can_be_sent(secret: SecretStr) -> SecretStr:
    """Reject an invalid header value: the HTTP client would fail on it later, with the value in its error."""
    if not re.fullmatch(HEADER, secret.get_secret_value()):
        raise ValueError("Input should be a valid HTTP header value: ASCII without line breaks")
    return secret


class NotificationMetadata(Limited):
    """The content of a notification."""

    model_config = ConfigDict(extra="forbid")

    auth_header: Annotated[SecretStr, AfterValidator(_can_be_sent)] = Field(
        description="Sent as Authorization with each notification; never shown again",
        json_schema_extra={"pattern": HEADER},
    )
    title: str = Field(max_length=200)
    body: str = Field(max_length=5000)
    item_id: Id
    created_at: Id
    created_by: Id
    classroom_id: Id
    kind: Annotated[str, Field(max_length=100)] | Whole


_EXAMPLE = {"auth_header": "Bearer example", "title": "Homework", "body": "It is due tomorrow.", "item_id": "7"}
_EXAMPLE |= {"created_at": "1795245213", "created_by": "ann", "classroom_id": "4b", "kind": "homework"}


class Reminder(Limited):
    """When to send a notification, and its content."""

    model_config = ConfigDict(extra="forbid")

    rrule: str = Field(max_length=2000, description="A recurrence rule (RFC 5545)", examples=["FREQ=DAILY;COUNT=3"])
    start_datetime: Whole = Field(
        ge=0, le=END_OF_CENTURY, description="Start of the rule, in unix seconds", examples=[1893456000]
    )
    notification_metadata: NotificationMetadata = Field(examples=[_EXAMPLE])


@router.post(
    "",
    status_code=201,
    summary="Notify at set times",
    operation_id="remind_me",
    dependencies=JSON_BODY,
    responses=CREATED | problem_responses(*BODY_PROBLEMS),
)
def remind_me(reminder: Reminder, scheduler: SchedulerDep, request_id: RequestId, response: Response) -> ScheduleOut:
    """Create a schedule of notifications. The Authorization is never shown again."""
    schedule_id = request_id or str(uuid4())
    draft = scheduler.draft(_definition(reminder, schedule_id), schedule_id)
    answer = ScheduleOut.of(draft)
    scheduler.keep(draft, reminder.notification_metadata.auth_header.get_secret_value())
    response.headers["Location"] = f"{API}/schedules/{draft.schedule_id}"
    return answer


def _definition(reminder: Reminder, schedule_id: str) -> Definition:
    now = datetime.now(UTC)
    shown: dict[str, Any] = reminder.notification_metadata.model_dump(exclude={"auth_header"})
    return Definition(
        task="notify",
        arguments={"notification": shown, "schedule_id": schedule_id},
        description=shown["title"],
        rule=make_rule(rrule=reminder.rrule, start=datetime.fromtimestamp(reminder.start_datetime, UTC), now=now),
        created_at=now,
    )
