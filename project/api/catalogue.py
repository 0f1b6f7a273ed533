"""The catalogue: all tasks with their arguments and results."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, TypeAdapter

from project.api.paths import API
from project.api.problems import problem_responses
from project.celery_config.task import JobTask
from project.task_options.signature import arguments_model, result_type, summary

router = APIRouter(prefix=f"{API}/tasks", tags=["catalogue"])


class TaskOut(BaseModel):
    """A task that clients can submit jobs for."""

    task: str = Field(examples=["sum"])
    summary: str
    queue: str
    submit: str = Field(description="Where to POST the arguments", examples=["/producer/api/sum"])
    arguments: dict[str, Any] = Field(description="JSON Schema of the request body")
    result: dict[str, Any] = Field(description="JSON Schema of the result")


@router.get("", summary="List the tasks", operation_id="list_tasks", responses=problem_responses(429))
def list_tasks(request: Request) -> list[TaskOut]:
    return request.app.state.catalogue


def describe(tasks: Iterable[JobTask]) -> list[TaskOut]:
    """Return the catalogue of these tasks."""
    return [_describe(task) for task in tasks]


def _describe(task: JobTask) -> TaskOut:
    return TaskOut(
        task=task.name,
        summary=summary(task),
        queue=task.queue_name,
        submit=f"{API}/{task.route}",
        arguments=arguments_model(task).model_json_schema(),
        result=TypeAdapter(result_type(task)).json_schema(),
    )
