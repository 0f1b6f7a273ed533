"""The plain way to publish over HTTP: a FastAPI `def` endpoint that calls stock Celery's `.delay()`."""

import os
from typing import Annotated, Any

from celery import Celery
from celery.result import AsyncResult
from fastapi import FastAPI
from pydantic import BaseModel, Field

REDIS = os.environ.get("REDIS_URL", "redis://")

celery = Celery("plain", broker=REDIS, backend=REDIS)
app = FastAPI()


class Sum(BaseModel):
    """The body of a submit."""

    number: Annotated[int, Field(ge=0)]


@celery.task(name="sum")
def sum_to_n(number: int) -> int:
    """Add up the numbers to *number*."""
    return sum(range(number + 1))


@app.post("/producer/api/sum", status_code=202)
def submit(arguments: Sum) -> dict[str, str]:
    """Publish a job."""
    return {"job_id": sum_to_n.delay(arguments.number).id}


@app.get("/producer/api/sum/{job_id}")
def look_up(job_id: str) -> dict[str, Any]:
    """Return the status and the result of a job."""
    job: Any = AsyncResult(job_id, app=celery)
    status = job.status
    return {"job_id": job_id, "status": status, "result": job.result if status == "SUCCESS" else None}
