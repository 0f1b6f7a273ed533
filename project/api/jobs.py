"""The endpoints of every task: submit a job, look it up."""

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Path, Request, Response
from pydantic import BaseModel

from project.api.signature import arguments_model, result_type, summary
from project.celery_config.job import JobTask
from project.errors import UnsupportedContentType, problem_responses
from project.jobs.representation import Accepted, Job
from project.jobs.service import Jobs

JobId = Annotated[str, Path(description="As given when the job was submitted")]


def jobs_router(jobs: Jobs, prefix: str) -> APIRouter:
    """Return a router with the endpoints of every task that has a route."""
    router = APIRouter(prefix=prefix)
    for task in jobs.tasks():
        _add_submit(router, jobs, task)
        _add_look_up(router, jobs, task)
    return router


def _add_submit(router: APIRouter, jobs: Jobs, task: JobTask) -> None:
    model: Any = arguments_model(task)
    optional = not any(field.is_required() for field in model.model_fields.values())
    body = Body(default_factory=model) if optional else Body()

    # a plain def: publishing blocks, so FastAPI runs it in a thread
    def submit(arguments: Annotated[BaseModel, body], request: Request, response: Response) -> Accepted:
        accepted = jobs.submit(task, arguments.model_dump(mode="json"), _request_id(request))
        response.headers["Location"] = f"{request.url.path.rstrip('/')}/{accepted.job_id}"
        return accepted

    submit.__annotations__["arguments"] = Annotated[model, body]
    router.add_api_route(
        f"/{task.route}",
        submit,
        methods=["POST"],
        status_code=202,
        summary=summary(task),
        operation_id=f"submit_{task.name}",
        tags=[task.name],
        dependencies=[Depends(require_json)],
        responses=problem_responses(400, 413, 415, 422, 429, 503),
    )


def _add_look_up(router: APIRouter, jobs: Jobs, task: JobTask) -> None:
    def look_up(job_id: JobId) -> Job[Any]:
        return jobs.look_up(task, job_id)

    router.add_api_route(
        f"/{task.route}/{{job_id}}",
        look_up,
        methods=["GET"],
        summary=f"Look up a {task.name} job",
        operation_id=f"get_{task.name}",
        tags=[task.name],
        response_model=Job[result_type(task)],  # type: ignore[misc]  # the type is known at run time only
        responses=problem_responses(404, 503),
    )


def _request_id(request: Request) -> str | None:
    """Return the id that NGINX gave the request (32 hexadecimal digits), as a UUID."""
    given = request.headers.get("x-request-id", "")
    return str(UUID(given)) if re.fullmatch("[0-9a-f]{32}", given) else None


def require_json(request: Request) -> None:
    """Refuse a body that does not say it is JSON."""
    empty = request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not empty and media_type != "application/json":
        raise UnsupportedContentType
