"""Queues: how many jobs wait in each."""

from fastapi import APIRouter

from project.api.deps import JobsDep
from project.api.paths import API
from project.api.problems import problem_responses
from project.job_models import Queue

router = APIRouter(prefix=f"{API}/queues", tags=["overview"])


@router.get("", summary="List the queues", operation_id="list_queues", responses=problem_responses(429, 503))
def list_queues(jobs: JobsDep) -> list[Queue]:
    return jobs.queues()
