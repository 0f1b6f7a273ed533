"""The catalogue: which tasks there are, and what each accepts and returns."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field, TypeAdapter

from project.api.problems import problem_responses
from project.celery_config.task import JobTask
from project.jobs.service import Jobs
from project.task_options.signature import arguments_model, result_type, summary


class TaskOut(BaseModel):
    """A task that clients can submit jobs for."""

    task: str = Field(examples=["sum"])
    summary: str
    queue: str
    submit: str = Field(description="Where to POST the arguments", examples=["/producer/api/sum"])
    arguments: dict[str, Any] = Field(description="JSON Schema of the request body")
    result: dict[str, Any] = Field(description="JSON Schema of the result")


def tasks_router(jobs: Jobs, prefix: str) -> APIRouter:
    """Return a router with the catalogue."""
    catalogue = [_describe(task, prefix) for task in jobs.tasks()]
    router = APIRouter(prefix=prefix, tags=["catalogue"])

    @router.get("/tasks", summary="List the tasks", operation_id="list_tasks", responses=problem_responses(429))
    def list_tasks() -> list[TaskOut]:
        return catalogue

    return router


def _describe(task: JobTask, prefix: str) -> TaskOut:
    return TaskOut(
        task=task.name,
        summary=summary(task),
        queue=task.queue_name,
        submit=f"{prefix}/{task.route}",
        arguments=arguments_model(task).model_json_schema(),
        result=TypeAdapter(result_type(task)).json_schema(),
    )
