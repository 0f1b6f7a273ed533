"""Request and response models of schedules."""

import json
from datetime import UTC, datetime
from time import thread_time
from typing import Annotated, Any, Literal, Self

from celery import current_app
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from project.api.parameters import Moment
from project.api.paths import API
from project.celery_config.task import JobTask
from project.redaction import redacted
from project.schedules.ical import to_utc
from project.schedules.rules import PATIENCE, SECOND, Rule, parse_interval
from project.schedules.schedule import BRIEFLY, KNOWN, CatchUp, Schedule, Status, upcoming
from project.schedules.store import Entry
from project.task_options.body_limits import Limited

NEXT_TIMES = "The next five times; fewer if they are rare, because the search is limited in time"
LONGEST = 2048  # characters of a schedule's arguments that a list shows
LIST_PATIENCE = 0.2  # seconds of CPU time to search for the next times of all schedules of a page

Utc = Annotated[datetime, AfterValidator(to_utc)]


def _a_second_or_more(text: str) -> str:
    if parse_interval(text) < SECOND:
        raise ValueError("it must be at least a second")
    return text


class When(Limited):
    """When a schedule fires: exactly one of rrule, cron, every and trigger_at."""

    model_config = ConfigDict(extra="forbid")

    rrule: str | None = Field(
        default=None, max_length=2000, description="A recurrence rule (RFC 5545), such as FREQ=WEEKLY;BYDAY=MO,TH"
    )
    cron: str | None = Field(
        default=None,
        max_length=200,
        description="Minute, hour, day of month, month, day of week; or @hourly, @daily, …",
        examples=["0 9 * * mon-fri"],
    )
    every: Annotated[str, AfterValidator(_a_second_or_more)] | None = Field(
        default=None, max_length=50, description="A duration from 1s to 50 years: 30s, 5m, 1h30m, PT5M"
    )
    trigger_at: Moment | None = Field(default=None, description="Once, at this time (RFC 3339 with time zone)")
    until: Moment | None = Field(default=None, description="The schedule does not fire after this time")
    timezone: str = Field(
        default="UTC",
        max_length=64,
        description="Time zone of rrule and cron (IANA or Windows name)",
        examples=["Europe/Paris"],
    )

    def rule(self) -> dict[str, Any]:
        """Return the arguments of make_rule."""
        return {name: getattr(self, name) for name in When.model_fields}


class NewSchedule(When):
    """A schedule to create."""

    task: str = Field(description="The name of a task in the catalogue", examples=["sum"])
    arguments: dict[str, Any] = Field(
        default_factory=dict, alias="kwargs", description="The task's arguments", examples=[{"number": 10}]
    )
    description: str = Field(default="", max_length=200, examples=["a sum each morning"])
    catch_up: CatchUp = Field(
        default="last", description="Which of the missed times to fire after an outage of all schedulers"
    )


class SchedulePatch(Limited):
    """The fields that can be changed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    paused: bool = Field(examples=[True])


class Preview(BaseModel):
    """When a schedule would fire."""

    upcoming: list[Utc] = Field(description=NEXT_TIMES)

    @classmethod
    def of(cls, rule: Rule) -> Self:
        """Return the next times of a rule."""
        return cls(upcoming=upcoming(rule, datetime.now(UTC), seconds=PATIENCE))


class JobLink(BaseModel):
    """A job and its link."""

    job_id: str
    href: str


class ScheduleOut(BaseModel):
    """A schedule as it is at this moment; times are UTC."""

    schedule_id: str
    task: str | None = None
    arguments: dict[str, Any] | None = Field(
        default={}, serialization_alias="kwargs", description="Without secrets; null in a list if they are long"
    )
    omitted: list[Literal["kwargs"]] = Field(
        default=[],
        exclude_if=lambda omitted: not omitted,
        description="In a list: `kwargs` if they are left out; look up the schedule to see them. Absent otherwise",
    )
    description: str = ""
    rrule: str | None = None
    cron: str | None = None
    every: str | None = None
    trigger_at: Utc | None = None
    until: Utc | None = None
    timezone: str | None = None
    catch_up: CatchUp | None = None
    status: Status | Literal["invalid"] = Field(description="invalid: it does not fire; `error` says why")
    error: str | None = Field(default=None, description="What is wrong and how to fix it (status invalid only)")
    created_at: Utc | None = None
    next: Utc | None = Field(default=None, description="When it fires next; null after it has ended")
    upcoming: list[Utc] = Field(default=[], description=f"{NEXT_TIMES}; empty while it is paused")
    last_fired: Utc | None = None
    fired_count: int = Field(default=0, ge=0)
    jobs: list[JobLink] = Field(default=[], description="The last ten jobs that its rule has submitted, newest first")

    @classmethod
    def of(cls, entry: Entry, seconds: float = BRIEFLY) -> Self:
        """Return the response for a schedule; for an invalid entry, its id and the reason.

        seconds: limit of CPU time for the search for the next five times.
        """
        try:
            if isinstance(entry, Schedule):
                return cls._of_schedule(entry, seconds)
            error = entry.error
        except (ValueError, OverflowError) as problem:  # a rule that an older version accepted
            error = f"its times cannot be computed ({problem}); delete this schedule and make it again"
        return cls(schedule_id=entry.schedule_id, status="invalid", error=error)

    @classmethod
    def _of_schedule(cls, schedule: Schedule, seconds: float) -> Self:
        rule = schedule.rule
        active = schedule.status == "active"
        fields = dict(schedule) | {
            "arguments": redacted(schedule.arguments, _marked(schedule.task)),
            "status": "invalid" if schedule.error else schedule.status,
            "error": schedule.error or None,
            rule.kind: rule.text,
            "until": rule.until,
            "timezone": rule.timezone,
            "next": schedule.next if active else None,
            "upcoming": _coming(schedule, seconds) if active else [],
            "jobs": [JobLink(job_id=job, href=f"{API}/jobs/{job}") for job in schedule.job_ids],
        }
        return cls.model_validate(fields)


def _coming(schedule: Schedule, seconds: float) -> list[datetime]:
    """Return the next times, beginning with `next`, even if that is due now and its job is not submitted yet."""
    now = datetime.now(UTC)
    due = [schedule.next] if schedule.next and schedule.next <= now else []
    return [*due, *upcoming(schedule.rule, now, schedule.coming, seconds)][:KNOWN]


def _marked(task: str) -> frozenset[str]:
    """Return the arguments that a task marks as secret."""
    known = current_app.tasks.get(task)
    return known.marked_secrets() if isinstance(known, JobTask) else frozenset()


class SchedulePage(BaseModel):
    """Schedules, the newest first."""

    schedules: list[ScheduleOut]
    next: float | None = Field(description="Send it as `before` to get the next page; null on the last page")

    @classmethod
    def of(cls, entries: list[Entry], cursor: float | None) -> Self:
        """Return a page; the search for next times may take LIST_PATIENCE for all its schedules together."""
        end = thread_time() + LIST_PATIENCE
        schedules = [_listed(ScheduleOut.of(entry, min(BRIEFLY, end - thread_time()))) for entry in entries]
        return cls(schedules=schedules, next=cursor)


def _listed(schedule: ScheduleOut) -> ScheduleOut:
    """Return a schedule without its arguments if they are long: each may have megabytes of them."""
    if len(json.dumps(schedule.arguments)) <= LONGEST:
        return schedule
    return schedule.model_copy(update={"arguments": None, "omitted": ["kwargs"]})
