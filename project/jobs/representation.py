"""What a client reads about a job (DESIGN section 5)."""

import json
from datetime import datetime
from typing import Generic, Literal, Self, TypeVar

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
    def from_record(cls, job_id: str, record: dict[str, str]) -> Self:
        """Return the representation of a record; its result as stored, not checked against the task."""
        status = record["status"]
        optional = {name: record.get(name) for name in ("consumer", "started_at", "finished_at")}
        return cls.model_validate(
            {
                **record,
                **optional,
                "job_id": job_id,
                "ready": status in ENDED,
                "result": json.loads(record["result"]) if status == "SUCCESS" else None,
                "error": json.loads(record["error"]) if status == "FAILURE" else None,
            }
        )
