"""Consumers: which are alive, and which jobs they run."""

from fastapi import APIRouter

from project.api.deps import JobsDep
from project.api.paths import API
from project.api.problems import problem_responses
from project.job_models import Consumer

router = APIRouter(prefix=f"{API}/consumers", tags=["overview"])


@router.get("", summary="List the consumers", operation_id="list_consumers", responses=problem_responses(429, 503))
def list_consumers(jobs: JobsDep) -> list[Consumer]:
    return jobs.consumers()
