"""Probes for operators: alive, ready, and metrics for Prometheus."""

from typing import Annotated, Literal

from anyio import CapacityLimiter, move_on_after
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from project.api.deps import ChecksDep, CheckThreads, JobsDep
from project.api.paths import PRODUCER
from project.api.problems import problem_responses
from project.check import Check
from project.errors import NotReady
from project.health.recent_checks import RecentChecks

CHECKS_TIMEOUT = 10  # seconds for all checks together

router = APIRouter(prefix=PRODUCER, tags=["health"])


class Health(BaseModel):
    """The response of a successful probe."""

    status: Literal["ok"] = "ok"


class Readiness(Health):
    """The response of a successful readiness probe; with `deep=1` it has the result of each check."""

    checks: list[Check] | None = None


@router.get("/health/live", summary="Is the process alive?", operation_id="live")
async def live() -> Health:
    return Health()


@router.get(
    "/health/ready",
    summary="Can jobs be accepted? With deep=1: can they be run?",
    operation_id="ready",
    response_model_exclude_none=True,
    responses=problem_responses(422, 503),
)
async def ready(
    jobs: JobsDep,
    checks: ChecksDep,
    threads: CheckThreads,
    deep: Annotated[bool, Query(description="Check every service that jobs use")] = False,
) -> Readiness:
    await run_sync(jobs.ping)
    return Readiness(checks=await _passed(checks, threads) if deep else None)


async def _passed(checks: RecentChecks, threads: CapacityLimiter) -> list[Check]:
    """Return the results of the checks; raise NotReady if one failed or they take too long."""
    found = None
    with move_on_after(CHECKS_TIMEOUT):
        found = await run_sync(checks, limiter=threads, abandon_on_cancel=True)
    if found is None:
        raise NotReady("the checks take too long")
    if failed := [check for check in found if check.state == "failed"]:
        raise NotReady("; ".join(f"{check.name}: {check.found}" for check in failed), found)
    return found


@router.get("/metrics", include_in_schema=False)
def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
