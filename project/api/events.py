"""Events: follow all jobs as a stream of server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse

from project.api.deps import FeedDep, require_broker
from project.api.event_feed import Listener, chunks
from project.api.paths import API
from project.api.problems import problem_responses

router = APIRouter(prefix=f"{API}/events", tags=["overview"])

EVENT = {"type": "object", "properties": {"event": {"const": "change"}, "data": {"type": "string"}}}
EVENTS: dict[int | str, Any] = {200: {"content": {"text/event-stream": {"itemSchema": EVENT}}}}


class EventStream(StreamingResponse):
    """A response of server-sent events that are already encoded."""

    media_type = "text/event-stream"


async def _listener(feed: FeedDep) -> AsyncIterator[Listener]:
    async with feed.listener() as listener:
        yield listener


@router.get(
    "",
    summary="Follow every job",
    operation_id="follow_jobs",
    response_class=EventStream,
    dependencies=[Depends(require_broker)],  # checked before the stream begins: after that, the status is already 200
    responses=EVENTS | problem_responses(429, 503),
)
async def follow_all(listener: Annotated[Listener, Depends(_listener)]) -> EventStream:
    return EventStream(chunks(listener), headers={"X-Accel-Buffering": "no"})  # NGINX must not buffer it
