"""Probes for operators: alive, ready, and metrics for Prometheus."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from project.errors import problem_responses
from project.jobs.service import Jobs


class Health(BaseModel):
    """The answer of a probe that found nothing wrong."""

    status: Literal["ok"] = "ok"


def health_router(jobs: Jobs, prefix: str) -> APIRouter:
    """Return a router with the probes."""
    router = APIRouter(prefix=prefix, tags=["health"])

    @router.get("/health/live", summary="Is the process alive?", operation_id="live")
    async def live() -> Health:
        return Health()

    @router.get(
        "/health/ready", summary="Can jobs be accepted?", operation_id="ready", responses=problem_responses(503)
    )
    def ready() -> Health:
        jobs.ping()
        return Health()

    @router.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
