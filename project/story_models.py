"""Models of a job's story, and of the data that Redis holds about the job."""

from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field

from project.job_models import Job, JobError


class Run(BaseModel):
    """A run of a job: one attempt."""

    attempt: int
    consumer: str | None
    started_at: AwareDatetime
    ended_at: AwareDatetime | None
    outcome: str = Field(
        description="running, success, failure, time_limit, retry, crash, lost_lease, stopped, revoked, moved, replaced"
    )
    error: JobError | None


class LoggedRun(Run):
    """A run in the log of a record; lease_until: when its lease expired, unix seconds."""

    lease_until: float | None = Field(default=None, ge=0, lt=2e10, exclude=True)


class Segment(BaseModel):
    """A part of a job's time."""

    lane: Literal["waiting", "running", "retry_delay", "lost_lease"]
    start: datetime = Field(serialization_alias="from")
    end: datetime | None = Field(serialization_alias="to")
    run: int | None


class Relative(BaseModel):
    """The parent or a child of the job; task and status are null if its record is gone."""

    job_id: str
    task: str | None
    status: str | None


class Story(BaseModel):
    """Everything that is known about a job."""

    job: Job[Any]
    arguments: dict[str, Any] | None = Field(description="Without secrets; null if they are gone")
    options: dict[str, Any] = Field(description="How it was submitted")
    runs: list[Run] = Field(description="The last 21")
    runs_dropped: int
    timeline: list[Segment]
    parent: Relative | None
    children: list[Relative]
    children_total: int
    edited_from: str | None = Field(description="The job whose arguments were edited to make this one")
    edited_as: list[str] = Field(description="Jobs that were made from this one with edited arguments")


class Place(BaseModel):
    """A Redis key that contains the id of the job."""

    key: str
    type: Literal["list", "zset", "set"]
    score: float | None = None
    index: int | None = None


class RawRecord(BaseModel):
    """The record and the message of a job as Redis stores them, without secrets."""

    key: str
    fields: dict[str, str]
    message: Any = Field(description="The message, parsed; null if it is gone")
    ttl: int | None = Field(description="Seconds until the record expires; null if it does not")
    places: list[Place]
