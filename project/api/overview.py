"""Look around: recent jobs, queues, consumers, what just happened; and let failed jobs wait again."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ConfigDict, Field

from project.api.event_feed import Feed, Listener, pieces
from project.api.jobs import answer_when_ended
from project.api.parameters import HowToLookUp, JobId
from project.api.problems import problem_responses
from project.jobs.models import Accepted, Consumer, Job, JobPage, Queue, Requeued, Status
from project.jobs.service import Jobs
from project.task_options.body_limits import Limited

EVENT = {"type": "object", "properties": {"event": {"const": "change"}, "data": {"type": "string"}}}
EVENTS: dict[int | str, Any] = {200: {"content": {"text/event-stream": {"itemSchema": EVENT}}}}


class EventStream(StreamingResponse):
    """Server-sent events that are encoded already."""

    media_type = "text/event-stream"


class JobsQuery(Limited):
    """Which of the recent jobs to list."""

    model_config = ConfigDict(extra="forbid")

    task: str | None = Field(default=None, description="Only jobs of this task")
    status: Status | None = None
    limit: int = Field(default=50, ge=1, le=200)
    before: float | None = Field(default=None, allow_inf_nan=False, description="The `next` of the page before")


class RequeueQuery(Limited):
    """Which of the failed jobs to requeue."""

    model_config = ConfigDict(extra="forbid")

    task: str | None = Field(default=None, description="Only jobs of this task")


def overview_router(jobs: Jobs, feed: Feed, prefix: str) -> APIRouter:
    """Return a router with what is not about one task."""
    router = APIRouter(prefix=prefix, tags=["overview"])
    _add_jobs(router, jobs)
    _add_requeue(router, jobs)
    _add_look_up(router, jobs)  # last: a wrong method at /jobs/requeue is answered by the first address that fits
    _add_who_and_where(router, jobs)
    _add_events(router, jobs, feed)
    return router


def _add_jobs(router: APIRouter, jobs: Jobs) -> None:
    @router.get(
        "/jobs",
        summary="List recent jobs, newest first",
        operation_id="list_jobs",
        responses=problem_responses(422, 429, 503),
    )
    def list_jobs(query: Annotated[JobsQuery, Query()]) -> JobPage:
        return jobs.recent(query.limit, query.before, query.task, query.status)


def _add_requeue(router: APIRouter, jobs: Jobs) -> None:
    @router.post(
        "/jobs/requeue",
        status_code=202,
        summary="Let all failed jobs wait again",
        operation_id="requeue_jobs",
        responses=problem_responses(422, 429, 503),
    )
    def requeue_failed(query: Annotated[RequeueQuery, Query()]) -> Requeued:
        return Requeued(job_ids=jobs.requeue_failed(query.task))

    @router.post(
        "/jobs/{job_id}/requeue",
        status_code=202,
        summary="Let a failed or revoked job wait again",
        operation_id="requeue_job",
        responses=problem_responses(404, 409, 429, 503),
    )
    def requeue(job_id: JobId, response: Response) -> Accepted:
        job = jobs.requeue(job_id)
        response.headers["Location"] = f"{router.prefix}/{job.task}/{job_id}"
        return job


def _add_look_up(router: APIRouter, jobs: Jobs) -> None:
    @router.get(
        "/jobs/{job_id}",
        response_model=Job[Any],
        summary="Look up a job of any task",
        operation_id="get_job",
        responses=problem_responses(404, 422, 429, 503),
    )
    async def look_up(job_id: JobId, how: HowToLookUp, request: Request, response: Response) -> Any:
        return await answer_when_ended(jobs, None, job_id, how, request, response)


def _add_who_and_where(router: APIRouter, jobs: Jobs) -> None:
    @router.get("/queues", summary="List the queues", operation_id="list_queues", responses=problem_responses(429, 503))
    def list_queues() -> list[Queue]:
        return jobs.queues()

    @router.get(
        "/consumers", summary="List the consumers", operation_id="list_consumers", responses=problem_responses(429, 503)
    )
    def list_consumers() -> list[Consumer]:
        return jobs.consumers()


def _add_events(router: APIRouter, jobs: Jobs, feed: Feed) -> None:
    async def listener() -> AsyncIterator[Listener]:
        async with feed.listener() as events:
            yield events

    @router.get(
        "/events",
        summary="Follow every job",
        operation_id="follow_jobs",
        response_class=EventStream,
        dependencies=[Depends(jobs.ping)],  # later is too late: a stream is a 200
        responses=EVENTS | problem_responses(429, 503),
    )
    async def follow_all(events: Annotated[Listener, Depends(listener)]) -> EventStream:
        return EventStream(pieces(events), headers={"X-Accel-Buffering": "no"})  # of NGINX
