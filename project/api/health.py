"""Probes for operators: alive, ready, and metrics for Prometheus."""

from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from project.errors import NotReady, problem_responses
from project.integrations.checks import Check
from project.jobs.service import Jobs


class Health(BaseModel):
    """The answer of a probe that found nothing wrong."""

    status: Literal["ok"] = "ok"


class Readiness(Health):
    """The same, and with `deep=1` what was found about each part."""

    checks: list[Check] | None = None


def health_router(jobs: Jobs, checks: Callable[[], list[Check]], prefix: str) -> APIRouter:
    """Return a router with the probes."""
    router = APIRouter(prefix=prefix, tags=["health"])

    @router.get("/health/live", summary="Is the process alive?", operation_id="live")
    async def live() -> Health:
        return Health()

    @router.get(
        "/health/ready",
        summary="Can jobs be accepted, and with deep=1: can they be done?",
        operation_id="ready",
        response_model_exclude_none=True,
        responses=problem_responses(422, 503),
    )
    def ready(deep: Annotated[bool, Query(description="Look at everything that jobs talk to")] = False) -> Readiness:
        jobs.ping()
        found = checks() if deep else None
        if failed := [check for check in found or [] if check.state == "failed"]:
            raise NotReady("; ".join(f"{check.name}: {check.found}" for check in failed))
        return Readiness(checks=found)

    @router.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
