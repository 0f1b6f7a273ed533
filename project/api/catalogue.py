"""The catalogue: all tasks with their arguments and results."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, TypeAdapter

from project.api.paths import API
from project.api.problems import problem_responses
from project.celery_config.announced import AnnouncedTask, AnnouncedTasks
from project.celery_config.task import JobTask
from project.jobs.service import Jobs
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
    consumers: int | None = Field(
        default=None, description="How many live consumers run it; null while Redis has not answered yet"
    )
    announced: bool = Field(default=False, description="A consumer has announced it; the producer has no code for it")
    conflict: str | None = Field(default=None, description="How the announced cards or the producer's code differ")


@router.get("", summary="List the tasks", operation_id="list_tasks", responses=problem_responses(429))
def list_tasks(request: Request) -> list[TaskOut]:
    catalogue: Catalogue = request.app.state.catalogue
    return catalogue.entries()


class Catalogue:
    """The tasks that have code here, and the announced ones."""

    def __init__(self, jobs: Jobs, announced: AnnouncedTasks) -> None:
        self._jobs, self._announced = jobs, announced
        self._described: dict[str, tuple[JobTask, TaskOut]] = {}

    def entries(self) -> list[TaskOut]:
        """Return all tasks as they are now, by name."""
        return [self._entry(task) for task in self._jobs.tasks()]

    def _entry(self, task: JobTask) -> TaskOut:
        known, described = self._described.get(task.name, (None, None))
        if described is None or known is not task:
            described = _describe(task)
            self._described[task.name] = task, described
        consumers = self._announced.consumers
        now = {"conflict": self._announced.conflicts.get(task.name)}
        return described.model_copy(update=now | {"consumers": None if consumers is None else consumers[task.name]})


def _describe(task: JobTask) -> TaskOut:
    return TaskOut(
        task=task.name,
        summary=summary(task),
        queue=task.queue_name,
        submit=f"{API}/{task.route}",
        arguments=arguments_model(task).model_json_schema(),
        result=TypeAdapter(result_type(task)).json_schema(),
        announced=isinstance(task, AnnouncedTask),
    )
