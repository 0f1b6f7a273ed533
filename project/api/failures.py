"""Failures: what fails, how often, and since when."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from project.api.deps import JobsDep
from project.api.paths import API
from project.api.problems import problem_responses
from project.job_models import Failures
from project.jobs import recent_jobs
from project.task_options.body_limits import Limited

router = APIRouter(prefix=f"{API}/failures", tags=["overview"])


class FailuresQuery(Limited):
    """Which failures to list."""

    model_config = ConfigDict(extra="forbid")

    task: str | None = Field(default=None, max_length=200, description="Only failures of this task")


@router.get(
    "",
    summary="Group the failed jobs among the recent ones by task and type of error",
    operation_id="list_failures",
    responses=problem_responses(422, 429, 503),
)
def list_failures(query: Annotated[FailuresQuery, Query()], jobs: JobsDep) -> Failures:
    return recent_jobs.failures(jobs, query.task or "")
