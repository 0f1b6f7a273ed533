"""The endpoints of every task: submit a job, look it up, follow it, take it back."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from project.api.parameters import HowToLookUp, JobId, LookUp, SubmitParameters
from project.api.problems import problem_responses
from project.celery_config.task import JobTask
from project.errors import UnknownJob, UnsupportedContentType
from project.jobs.models import Accepted, Change, Job
from project.jobs.service import Jobs
from project.startup import DeclarationError
from project.task_options.signature import arguments_model, result_type, summary

RESERVED = frozenset({"consumers", "events", "jobs", "queues", "remind_me", "schedules", "tasks"})


def jobs_router(jobs: Jobs, prefix: str) -> APIRouter:
    """Return a router with the endpoints of every task that has a route."""
    router = APIRouter(prefix=prefix)
    for task in jobs.tasks():
        if task.route in RESERVED:
            raise DeclarationError(task.run, f"/{task.route} is the producer's own address; choose another route")
        for add in (_add_submit, _add_look_up, _add_take_back, _add_follow):
            add(router, jobs, task)
    return router


def _add_submit(router: APIRouter, jobs: Jobs, task: JobTask) -> None:
    model: Any = arguments_model(task)
    optional = not any(field.is_required() for field in model.model_fields.values())
    body = Body(default_factory=model) if optional else Body()

    # a plain def: publishing blocks, so FastAPI runs it in a thread
    def submit(
        arguments: Annotated[BaseModel, body], options: SubmitParameters, request: Request, response: Response
    ) -> Any:
        job = jobs.submit(task, arguments.model_dump(mode="json"), options)
        response.headers["Location"] = location = f"{request.url.path.rstrip('/')}/{job.job_id}"
        if isinstance(job, Job):
            return JSONResponse(
                job.model_dump(mode="json"), headers={"Location": location, "Idempotent-Replayed": "true"}
            )
        return job

    submit.__annotations__["arguments"] = Annotated[model, body]
    replayed = "The Idempotency-Key was used before: the first job"
    answers: dict[int | str, Any] = {
        200: {"model": _job_model(task), "description": replayed, "links": _links(task)},
        202: {"links": _links(task)},
    }
    router.add_api_route(
        f"/{task.route}",
        submit,
        methods=["POST"],
        status_code=202,
        response_model=Accepted,
        summary=summary(task),
        operation_id=f"submit_{task.name}",
        tags=[task.name],
        dependencies=[Depends(require_json)],
        max_body_size=task.body_limit,
        responses=answers | problem_responses(400, 409, 413, 415, 422, 429, 503),
    )


def _job_model(task: JobTask) -> Any:
    return Job[result_type(task)]  # type: ignore[misc]  # the type is known at run time only


def _answers(task: JobTask) -> dict[int | str, Any]:
    """Describe what is said of a job; a result that is not what the task promised is shown all the same."""
    return {200: {"model": _job_model(task)}} | problem_responses(404, 422, 429, 503)


def _links(task: JobTask) -> dict[str, Any]:
    """Say in OpenAPI what can be done with the job that an answer names."""
    parameters = {"job_id": "$response.body#/job_id"}
    return {
        name: {"operationId": f"{name}_{task.name}", "parameters": parameters} for name in ("get", "delete", "follow")
    }


def _add_look_up(router: APIRouter, jobs: Jobs, task: JobTask) -> None:
    async def look_up(job_id: JobId, how: HowToLookUp, request: Request, response: Response) -> Any:
        return await answer_when_ended(jobs, task, job_id, how, request, response)

    router.add_api_route(
        f"/{task.route}/{{job_id}}",
        look_up,
        methods=["GET"],
        summary=f"Look up a {task.name} job",
        operation_id=f"get_{task.name}",
        tags=[task.name],
        response_model=Job[Any],
        responses=_answers(task),
    )


def _add_take_back(router: APIRouter, jobs: Jobs, task: JobTask) -> None:
    async def take_back(job_id: JobId, how: HowToLookUp, request: Request, response: Response) -> Any:
        async def answer() -> Any:
            if how.wait:
                await jobs.wait(task, job_id, how.wait)
            return await run_sync(jobs.take_back, task, job_id, how.traceback)

        _say_what_was_applied(request, response, how.wait)
        return await (_unless_disconnected(request, answer()) if how.wait else answer())

    router.add_api_route(
        f"/{task.route}/{{job_id}}",
        take_back,
        methods=["DELETE"],
        summary=f"Cancel a {task.name} job, or fetch and forget it once it has ended",
        operation_id=f"delete_{task.name}",
        tags=[task.name],
        response_model=Job[Any],
        responses=_answers(task),
    )


def _add_follow(router: APIRouter, jobs: Jobs, task: JobTask) -> None:
    def known(job_id: JobId) -> None:
        jobs.look_up(task, job_id)

    async def follow(job_id: JobId) -> AsyncIterator[ServerSentEvent]:
        with suppress(UnknownJob):  # somebody took it back as soon as it had ended
            async for event in jobs.follow(task, job_id):
                yield to_event(event)

    router.add_api_route(
        f"/{task.route}/{{job_id}}/events",
        follow,
        methods=["GET"],
        summary=f"Follow a {task.name} job to its end",
        operation_id=f"follow_{task.name}",
        tags=[task.name],
        response_class=EventSourceResponse,
        dependencies=[Depends(known), Depends(jobs.make_room)],  # once the stream has begun it is too late to say no
        responses=problem_responses(404, 429, 503),
    )


def to_event(event: Job[Any] | Change) -> ServerSentEvent:
    """Return a server-sent event: `job` with a representation, or `change` with what changed."""
    return ServerSentEvent(event="job" if isinstance(event, Job) else "change", data=event)


async def answer_when_ended(
    jobs: Jobs, task: JobTask | None, job_id: str, how: LookUp, request: Request, response: Response
) -> Any:
    """Return the job (of that task, or of any) when it ends, or as it is after the seconds that the client waits."""
    _say_what_was_applied(request, response, how.wait)
    answer = jobs.wait(task, job_id, how.wait, how.traceback)
    return await (_unless_disconnected(request, answer) if how.wait else answer)


def _say_what_was_applied(request: Request, response: Response, wait: float) -> None:
    if wait and "prefer" in request.headers:
        response.headers["Preference-Applied"] = f"wait={wait:g}"


async def _unless_disconnected(request: Request, answer: Coroutine[Any, Any, Any]) -> Any:
    """Return the answer, or give up when the client goes away: nobody would read it."""

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    tasks = asyncio.ensure_future(answer), asyncio.ensure_future(disconnected())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0].result() if tasks[0].done() else Response(status_code=499)
    finally:
        for task in tasks:
            task.cancel()


async def require_json(request: Request) -> None:
    """Refuse a body that does not say it is JSON."""
    empty = request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not empty and media_type != "application/json":
        raise UnsupportedContentType
