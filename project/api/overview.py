"""Overview: everything that the installation does, as one snapshot or as a stream of snapshots."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.sse import KEEPALIVE_COMMENT

from project.api.deps import OverviewDep, require_broker
from project.api.events import EventStream
from project.api.overview_models import Snapshot
from project.api.paths import API
from project.api.problems import problem_responses
from project.jobs.overview import Listener

KEEPALIVE = 15  # seconds of silence after which a comment is sent

router = APIRouter(prefix=f"{API}/overview", tags=["overview"])

EVENT = {"type": "object", "properties": {"event": {"const": "overview"}, "data": {"type": "string"}}}
EVENTS: dict[int | str, Any] = {200: {"content": {"text/event-stream": {"itemSchema": EVENT}}}}


@router.get(
    "",
    response_model=Snapshot,
    summary="Show queues, consumers, producers, rates and the charts of the last five minutes",
    operation_id="get_overview",
    responses=problem_responses(429, 503),
)
async def overview(overview: OverviewDep) -> Any:
    return await overview.look()


async def _listener(overview: OverviewDep) -> AsyncIterator[Listener]:
    async with overview.listener() as listener:
        yield listener


@router.get(
    "/events",
    summary="Follow the overview",
    operation_id="follow_overview",
    response_class=EventStream,
    dependencies=[Depends(require_broker)],  # checked before the stream begins: after that, the status is already 200
    responses=EVENTS | problem_responses(429, 503),
)
async def follow(listener: Annotated[Listener, Depends(_listener)]) -> EventStream:
    """Follow the overview as events named `overview`, each a whole snapshot without `history` in at most 8 KiB."""
    return EventStream(_frames(listener), headers={"X-Accel-Buffering": "no"})  # NGINX must not buffer it


async def _frames(listener: Listener) -> AsyncIterator[bytes]:
    while True:
        try:
            yield await asyncio.wait_for(listener.get(), KEEPALIVE)
        except TimeoutError:
            yield KEEPALIVE_COMMENT
