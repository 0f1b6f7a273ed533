"""The endpoint that follows a job: a stream of server-sent events."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from project.api.deps import JobsDep, require_room_to_listen
from project.api.parameters import JobId
from project.api.problems import problem_responses
from project.celery_config.task import JobTask
from project.errors import UnknownJob
from project.job_models import Change, Job


def add_follow(router: APIRouter, task: JobTask | None) -> None:
    """Add the endpoint for the jobs of one task, or of any task."""

    async def require_job(job_id: JobId, jobs: JobsDep) -> None:
        await jobs.look_up(task, job_id)

    @router.get(
        "/{job_id}/events",
        summary=f"Follow a {task.name} job to its end" if task else "Follow a job of any task to its end",
        operation_id=f"follow_{task.name}" if task else "follow_job",
        response_class=EventSourceResponse,
        # checked before the stream begins: after that, the status is already 200
        dependencies=[Depends(require_job), Depends(require_room_to_listen)],
        responses=problem_responses(404, 429, 503),
    )
    async def follow(job_id: JobId, jobs: JobsDep) -> AsyncIterator[ServerSentEvent]:
        with suppress(UnknownJob):  # another client collected the job as soon as it had ended
            async for event in jobs.follow(task, job_id):
                yield _to_event(event)


def _to_event(event: Job[Any] | Change) -> ServerSentEvent:
    """Return a server-sent event: `job` with the whole job, or `change` with its new status."""
    return ServerSentEvent(event="job" if isinstance(event, Job) else "change", data=event)
