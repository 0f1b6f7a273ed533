"""Probes for operators: alive, ready, and metrics for Prometheus."""

from collections.abc import Callable
from typing import Annotated, Literal

from anyio import CapacityLimiter, move_on_after
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from project.api.problems import problem_responses
from project.errors import NotReady
from project.integrations.check import Check
from project.jobs.service import Jobs

DEEP = 10  # seconds for all checks


class Health(BaseModel):
    """The answer of a probe that found nothing wrong."""

    status: Literal["ok"] = "ok"


class Readiness(Health):
    """The same, and with `deep=1` what was found about each part."""

    checks: list[Check] | None = None


def health_router(jobs: Jobs, checks: Callable[[], list[Check]], prefix: str) -> APIRouter:
    """Return a router with the probes."""
    router = APIRouter(prefix=prefix, tags=["health"])
    threads = CapacityLimiter(4)

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
    async def ready(
        deep: Annotated[bool, Query(description="Look at everything that jobs talk to")] = False,
    ) -> Readiness:
        await run_sync(jobs.ping)
        found = await looked_at() if deep else None
        if failed := [check for check in found or [] if check.state == "failed"]:
            raise NotReady("; ".join(f"{check.name}: {check.found}" for check in failed), found)
        return Readiness(checks=found)

    async def looked_at() -> list[Check]:
        # threads of their own: whoever waits here shall keep none from the jobs' endpoints
        with move_on_after(DEEP):
            return await run_sync(checks, limiter=threads, abandon_on_cancel=True)
        raise NotReady("the checks take too long")

    @router.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
