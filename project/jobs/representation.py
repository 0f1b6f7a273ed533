"""What a client reads about a job (DESIGN section 5)."""

from datetime import datetime
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, Field

Status = Literal["PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED"]
ENDED = ("SUCCESS", "FAILURE", "REVOKED")
Result = TypeVar("Result")


class JobError(BaseModel):
    """Why a job failed."""

    type: str = Field(examples=["ValueError"])
    message: str = Field(examples=["not a prime"])


class Accepted(BaseModel):
    """A job was accepted; ask for it at the address in the Location header."""

    message: Literal["job published"] = "job published"
    job_id: str
    task: str = Field(examples=["sum"])
    status: Status = "PENDING"


class Job(BaseModel, Generic[Result]):
    """A job as it is at this moment; times are UTC."""

    job_id: str
    task: str
    status: Status
    ready: bool = Field(description="True once the job has ended, well or badly")
    result: Result | None = Field(description="What the task returned (status SUCCESS only)")
    error: JobError | None = Field(description="Why the job failed (status FAILURE only)")
    queue: str
    consumer: str | None
    attempts: int = Field(description="How often a consumer has started it", ge=0)
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def from_record(cls, job_id: str, record: dict[str, Any]) -> Self:
        """Return the representation of a record; its result as stored, not checked against the task."""
        status = record["status"]
        optional = {name: record.get(name) for name in ("result", "consumer", "started_at", "finished_at")}
        error = record.get("error") if status == "FAILURE" else None
        return cls(**{**record, **optional, "job_id": job_id, "ready": status in ENDED, "error": error})
