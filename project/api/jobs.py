"""Jobs of any task: list the recent ones, look one up, requeue failed ones."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import ConfigDict, Field

from project.api.deps import JobsDep
from project.api.long_poll import long_poll
from project.api.parameters import HowToLookUp, JobId
from project.api.paths import API
from project.api.problems import problem_responses
from project.job_models import Accepted, Job, JobPage, Requeued, Status
from project.task_options.body_limits import Limited

router = APIRouter(prefix=f"{API}/jobs", tags=["overview"])


class JobsQuery(Limited):
    """Which of the recent jobs to list."""

    model_config = ConfigDict(extra="forbid")

    task: str | None = Field(default=None, description="Only jobs of this task")
    status: Status | None = None
    limit: int = Field(default=50, ge=1, le=200)
    before: float | None = Field(default=None, allow_inf_nan=False, description="The `next` of the previous page")


class RequeueQuery(Limited):
    """Which of the failed jobs to requeue."""

    model_config = ConfigDict(extra="forbid")

    task: str | None = Field(default=None, description="Only jobs of this task")


@router.get(
    "",
    summary="List recent jobs, newest first",
    operation_id="list_jobs",
    responses=problem_responses(422, 429, 503),
)
def list_jobs(query: Annotated[JobsQuery, Query()], jobs: JobsDep) -> JobPage:
    return jobs.recent(query.limit, query.before, query.task, query.status)


@router.post(
    "/requeue",
    status_code=202,
    summary="Requeue all failed jobs",
    operation_id="requeue_jobs",
    responses=problem_responses(422, 429, 503),
)
def requeue_failed(query: Annotated[RequeueQuery, Query()], jobs: JobsDep) -> Requeued:
    return Requeued(job_ids=jobs.requeue_failed(query.task))


@router.post(
    "/{job_id}/requeue",
    status_code=202,
    summary="Requeue a failed or revoked job",
    operation_id="requeue_job",
    responses=problem_responses(404, 409, 429, 503),
)
def requeue(job_id: JobId, jobs: JobsDep, response: Response) -> Accepted:
    job = jobs.requeue(job_id)
    response.headers["Location"] = f"{API}/{job.task}/{job_id}"
    return job


# after /requeue: the first route that matches a path answers a wrong method
@router.get(
    "/{job_id}",
    response_model=Job[Any],
    summary="Look up a job of any task",
    operation_id="get_job",
    responses=problem_responses(404, 422, 429, 503),
)
async def look_up(job_id: JobId, how: HowToLookUp, jobs: JobsDep, request: Request, response: Response) -> Any:
    return await long_poll(request, response, how.wait, jobs.wait(None, job_id, how.wait, how.traceback))
