"""The endpoints of every task, made from its signature: submit, look up, cancel or collect, follow."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request, Response
from fastapi.exceptions import FastAPIError
from fastapi.responses import JSONResponse
from pydantic import PydanticUserError

from project.api.deps import JobsDep, require_json
from project.api.follow import add_follow
from project.api.long_poll import long_poll
from project.api.parameters import HowToLookUp, JobId, SubmitParameters
from project.api.paths import API
from project.api.problems import problem_responses
from project.cards.card import RESERVED
from project.celery_config.task import JobTask
from project.job_models import Accepted, Job
from project.startup import DeclarationError
from project.task_options.signature import arguments_model, is_optional, result_type, summary


def task_router(task: JobTask) -> APIRouter:
    """Return a router with the endpoints of one task."""
    if task.route in RESERVED:
        raise DeclarationError(task.run, f"/{task.route} is the producer's own address; choose another route")
    router = APIRouter(prefix=f"{API}/{task.route}", tags=[task.name])
    try:
        for add_endpoint in (_add_submit, _add_look_up, _add_cancel_or_collect, add_follow):
            add_endpoint(router, task)
    except (NameError, PydanticUserError, FastAPIError) as error:  # a type that is not imported, or is not JSON
        raise DeclarationError(task.run, str(error).strip().partition("\n")[0]) from None
    return router


def _add_submit(router: APIRouter, task: JobTask) -> None:
    model: Any = arguments_model(task)
    body = Body(default_factory=model) if is_optional(model) else Body()

    @router.post(
        "",
        status_code=202,
        response_model=Accepted,
        summary=summary(task),
        operation_id=f"submit_{task.name}",
        dependencies=[Depends(require_json)],
        max_body_size=task.body_limit,
        responses=_submit_answers(task),
    )
    async def submit(
        arguments: Annotated[model, body], options: SubmitParameters, jobs: JobsDep, response: Response
    ) -> Any:
        """Submit a job. If the Idempotency-Key was used before, the response is the first job."""
        job = await jobs.submit(task, arguments.model_dump(mode="json"), options)
        location = f"{router.prefix}/{job.job_id}"
        if isinstance(job, Job):
            return _replayed(job, location)
        response.headers["Location"] = location
        return job


def _replayed(job: Job[Any], location: str) -> JSONResponse:
    return JSONResponse(job.model_dump(mode="json"), headers={"Location": location, "Idempotent-Replayed": "true"})


def _add_look_up(router: APIRouter, task: JobTask) -> None:
    @router.get(
        "/{job_id}",
        summary=f"Look up a {task.name} job",
        operation_id=f"get_{task.name}",
        response_model=Job[Any],
        responses=_answers(task),
    )
    async def look_up(job_id: JobId, how: HowToLookUp, jobs: JobsDep, request: Request, response: Response) -> Any:
        return await long_poll(request, response, how.wait, jobs.wait(task, job_id, how.wait, how.traceback))


def _add_cancel_or_collect(router: APIRouter, task: JobTask) -> None:
    @router.delete(
        "/{job_id}",
        summary=f"Cancel a {task.name} job, or collect and delete it after it has ended",
        operation_id=f"delete_{task.name}",
        response_model=Job[Any],
        responses=_answers(task),
    )
    async def cancel_or_collect(
        job_id: JobId, how: HowToLookUp, jobs: JobsDep, request: Request, response: Response
    ) -> Any:
        """Cancel a job that waits or runs. If it has ended, return it for the last time and delete it."""
        answer = jobs.cancel_or_collect(task, job_id, how.wait, how.traceback)
        return await long_poll(request, response, how.wait, answer)


def _submit_answers(task: JobTask) -> dict[int | str, Any]:
    replayed = "The Idempotency-Key was used before; this is the first job"
    answers: dict[int | str, Any] = {
        200: {"model": _job_model(task), "description": replayed, "links": _links(task)},
        202: {"links": _links(task)},
    }
    return answers | problem_responses(400, 409, 413, 415, 422, 429, 503)


def _job_model(task: JobTask) -> Any:
    return Job[result_type(task)]  # type: ignore[misc]  # the type is known at run time only


def _answers(task: JobTask) -> dict[int | str, Any]:
    """Describe the response with a job; a result of another type than the task declares is returned as it is."""
    return {200: {"model": _job_model(task)}} | problem_responses(404, 422, 429, 503)


def _links(task: JobTask) -> dict[str, Any]:
    """Return the OpenAPI links to the operations on the job in a response."""
    parameters = {"job_id": "$response.body#/job_id"}
    return {
        name: {"operationId": f"{name}_{task.name}", "parameters": parameters} for name in ("get", "delete", "follow")
    }
