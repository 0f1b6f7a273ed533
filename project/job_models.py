"""The models of jobs, queues and consumers in the HTTP API; producer and client share them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Generic, Literal, Self, TypeVar, get_args

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from project.json_limits import MOST_LEVELS, TOO_DEEP, cut, may_be_deep

Status = Literal["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"]
ENDED = ("SUCCESS", "FAILURE", "REVOKED")
WAITING = ("PENDING", "RETRY")
FAILED = (
    "FAILURE",
    "RETRY",
)  # the states with an error; in RETRY it may be absent
Result = TypeVar("Result")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class JobError(BaseModel):
    """Why a job failed."""

    type: str = Field(examples=["ValueError"])
    message: str = Field(examples=["not a prime"])


class Progress(BaseModel):
    """The progress that a job has reported."""

    fraction: float = Field(ge=0, le=1, examples=[0.25])
    text: str = Field(examples=["250,000 of 1,000,000"])


class Lease(BaseModel):
    """A consumer's claim on a running job: if it does not renew the lease in time, another consumer runs the job."""

    since: datetime
    until: datetime


class Accepted(BaseModel):
    """A job was accepted; look it up at the URL in the Location header."""

    message: Literal["job published"] = "job published"
    job_id: str
    task: str = Field(examples=["sum"])
    status: Status = "PENDING"


class Job(BaseModel, Generic[Result]):
    """A job as it is at this moment; times are UTC."""

    job_id: str
    task: str
    status: Status
    ready: bool = Field(description="True after the job has ended, successfully or not")
    result: Result | None = Field(
        description="What the task returned (status SUCCESS only); "
        f"`{TOO_DEEP}` replaces what is nested deeper than {MOST_LEVELS} levels"
    )
    error: JobError | None = Field(description="Why the job failed (status FAILURE), or its last run (status RETRY)")
    traceback: str | None = Field(
        default=None,
        exclude_if=lambda traceback: traceback is None,
        description="The traceback of `error`, at most 64 KiB; included in a story, and elsewhere with `traceback=1`",
    )
    queue: str
    consumer: str | None
    attempts: int = Field(description="How many times a consumer has started it", ge=0)
    progress: Progress | None = Field(description="What the task reported last")
    parent: str | None = Field(description="The job that submitted this one")
    children: list[str] = Field(description="The jobs that this one submitted (the first hundred)")
    submitted_at: datetime
    due_at: datetime | None = Field(description="When a delayed job, or one in RETRY, runs next")
    started_at: datetime | None
    finished_at: datetime | None
    lease: Lease | None = Field(
        description="Start and end of the lease of a running job; null with `redis+stock://` and RabbitMQ"
    )

    @classmethod
    def from_record(cls, job_id: str, record: Mapping[str, Any], *, traceback: bool = False) -> Self:
        """Return the job of a record, optionally with the traceback; its result is not validated.

        For a damaged record, return its status with an error that says so.
        """
        try:
            return cls._from_whole_record(job_id, record, traceback)
        except (KeyError, ValueError) as error:
            return cls.model_validate(_damaged(job_id, record, error))

    @classmethod
    def _from_whole_record(cls, job_id: str, record: Mapping[str, Any], traceback: bool) -> Self:
        status = record["status"] if record["status"] in get_args(Status) else "STARTED"  # a task may set its own
        optional = {name: record.get(name) for name in ("consumer", "parent", "started_at", "finished_at")}
        begun = status not in WAITING  # while a job waits, the field may hold the progress of an earlier run
        failed = status in FAILED
        return cls.model_validate(
            {
                **record,
                **optional,
                "job_id": job_id,
                "status": status,
                "ready": status in ENDED,
                "result": _load(record.get("result")) if status == "SUCCESS" else None,
                "progress": _load(record.get("progress")) if begun else None,
                "children": record.get("child_ids", "").split(),
                "error": _load(record["error"] if status == "FAILURE" else record.get("error")) if failed else None,
                "traceback": (record.get("traceback") or None) if failed and traceback else None,
                "due_at": _due_at(record) if status in WAITING else None,
                "lease": _lease(record) if status == "STARTED" else None,
            }
        )


def _due_at(record: Mapping[str, Any]) -> datetime | str | None:
    """Return when a delayed job is due; pydantic would take seconds from the year 2603 on for milliseconds."""
    try:
        return datetime.fromtimestamp(float(record["due_at"]), UTC) if record.get("due_at") else None
    except (ValueError, OverflowError):
        return "no time"  # pydantic then names the field


def _lease(record: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the lease of a running job, which begins when the job is fetched; None if its broker has no leases."""
    until = record.get("leased_until")
    return {"since": record["started_at"], "until": until} if until and until != "inf" else None


def _damaged(job_id: str, record: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    status = record["status"] if record["status"] in get_args(Status) else "STARTED"
    fields = ["a field that holds JSON"]
    if isinstance(error, ValidationError):
        fields = sorted({str(each["loc"][0]) for each in error.errors()})
    elif isinstance(error, KeyError):
        fields = [error.args[0]]
    message = f"the record of this job is damaged ({', '.join(fields)}); delete the job and submit it again"
    names = ("queue", "consumer", "attempts", "result", "progress", "parent", "lease")
    times = ("due_at", "started_at", "finished_at")
    return dict.fromkeys((*names, *times)) | {
        "job_id": job_id,
        "task": record["task"],
        "status": status,
        "ready": status in ENDED,
        "error": {"type": "DamagedRecord", "message": message},
        "queue": record.get("queue", ""),
        "attempts": 0,
        "children": [],
        "submitted_at": EPOCH,  # unknown
    }


def _load(text: str | None) -> Any:
    """Parse JSON that a consumer wrote.

    Replace what cannot be sent: lone surrogates become question marks, and what is nested too deeply an ellipsis.
    """
    text = text or "null"
    try:
        value = json.loads(text)
    except RecursionError:
        return TOO_DEEP
    if may_be_deep(text):
        value = cut(value)
    if r"\ud" in text or r"\uD" in text:
        value = json.loads(json.dumps(value, ensure_ascii=False).encode(errors="replace"))
    return value


class ListedJob(Job[Any]):
    """A job in a list: a result of more than 2 KiB is left out, an error of that length is shortened."""

    arguments: dict[str, Any] | None = Field(
        default=None,
        description="Without secrets; null if they are long, or no longer kept because the job succeeded some time ago",
    )
    omitted: list[Literal["result", "error", "arguments"]] = Field(
        default=[],
        exclude_if=lambda omitted: not omitted,
        description="The long fields that are null or shortened here; look up the job to see them. Absent if none",
    )


class Searched(BaseModel):
    """What a search has covered: only the recent jobs can be searched."""

    jobs: int = Field(description="How many jobs were looked at")
    of: int = Field(description="How many recent jobs there are")
    limit: int = Field(description="Maximum number of recent jobs; older jobs are found only by their id")
    oldest: datetime | None = Field(description="When the oldest of them was submitted or last retried")
    complete: bool = Field(description="False if the time limit ended the search; `before=next` continues it")


class JobPage(BaseModel):
    """Recent jobs, newest first."""

    jobs: list[ListedJob]
    next: float | None = Field(description="Send it as `before` to get the next page; null on the last page")
    searched: Searched | None = None


class Requeued(BaseModel):
    """The requeued jobs."""

    count: int = Field(default=0, description="How many jobs match (dry run), or were requeued")
    job_ids: list[str]


class FailureGroup(BaseModel):
    """Failed jobs of one task with the same type of error."""

    task: str
    error_type: str
    count: int
    first_seen: datetime
    last_seen: datetime
    latest: str = Field(description="The job that failed last")
    message: str = Field(description="Its error")


class Failures(BaseModel):
    """The failures among the recent jobs, the last ones first."""

    groups: list[FailureGroup]
    groups_total: int
    searched: Searched


class Change(BaseModel):
    """A job changed its status."""

    job_id: str
    task: str | None
    queue: str | None
    status: str = Field(examples=["STARTED"])
    at: AwareDatetime
    consumer: str | None


class Queue(BaseModel):
    """A queue as it is at this moment."""

    queue: str = Field(examples=["default"])
    waiting: int = Field(description="With `redis+stock://` also delayed jobs that no consumer has received yet", ge=0)
    delayed: int = Field(description="Jobs that are not due yet", ge=0)
    running: int = Field(ge=0)
    oldest_age: float | None = Field(description="Seconds since the submission of the job that waits longest", ge=0)
    damaged: list[str] = Field(
        default=[],
        exclude_if=lambda damaged: not damaged,
        description="Keys of this queue that another program has overwritten: what was in them is not counted. "
        "Absent if there are none",
    )


class Running(BaseModel):
    """A job that a consumer runs."""

    job_id: str
    task: str
    queue: str | None = None
    since: datetime


class Consumer(BaseModel):
    """A consumer that sent a heartbeat in the last 8 seconds."""

    name: str = Field(examples=["consumer.1@host"])
    pool: str = Field(examples=["forked"])
    slots: int = Field(description="How many jobs it runs at a time", ge=1)
    queues: list[str]
    up_since: datetime | None = Field(default=None, description="Null for a consumer of an older version")
    done: int | None = Field(default=None, description="How many jobs it has run since `up_since`")
    tasks: list[str] = Field(default=[], description="The tasks with a route that it runs")
    busy: list[Running]
