"""Jobs for later: schedules are made, looked at, paused, fired now and deleted."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, Field, ValidationError

from project.api.jobs import require_json
from project.api.parameters import RequestId, ScheduleId
from project.api.problems import problem_responses
from project.api.schedule_models import NewSchedule, Preview, ScheduleOut, SchedulePage, SchedulePatch, When
from project.jobs.circuit_breaker import CircuitBreaker
from project.jobs.models import Accepted
from project.jobs.service import Jobs
from project.schedules.errors import InvalidSchedule
from project.schedules.rules import make_rule
from project.schedules.schedule import Definition
from project.schedules.task_scheduler import TaskScheduler
from project.task_options.body_limits import Limited
from project.task_options.signature import arguments_model

BODY = [Depends(require_json)]
BODY_PROBLEMS = (400, 413, 415, 422, 429, 503)
LINKS: dict[int | str, Any] = {
    name: {"operationId": name, "parameters": {"schedule_id": "$response.body#/schedule_id"}}
    for name in ("get_schedule", "change_schedule", "run_schedule", "delete_schedule")
}
CREATED: dict[int | str, Any] = {201: {"links": LINKS}}


class SchedulesQuery(Limited):
    """Which schedules to list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=200)
    before: float | None = Field(default=None, allow_inf_nan=False, description="The `next` of the page before")


def schedules_router(jobs: Jobs, scheduler: TaskScheduler, prefix: str) -> APIRouter:
    """Return a router for schedules."""
    router = APIRouter(prefix=f"{prefix}/schedules", tags=["schedules"])
    _add_preview(router)
    _add_create(router, jobs, scheduler)
    _add_read(router, scheduler, jobs.available, prefix)
    _add_change(router, scheduler, jobs.available, prefix)
    _add_run(router, scheduler, jobs, prefix)
    return router


def _add_preview(router: APIRouter) -> None:
    @router.post(
        "/preview",
        summary="Show when a schedule would fire",
        operation_id="preview_schedule",
        dependencies=BODY,
        responses=problem_responses(*BODY_PROBLEMS[:-1]),
    )
    def preview(when: When) -> Preview:
        return Preview.of(make_rule(**when.rule()))


def _add_create(router: APIRouter, jobs: Jobs, scheduler: TaskScheduler) -> None:
    tasks = {task.name: arguments_model(task) for task in jobs.tasks()}

    @router.post(
        "",
        status_code=201,
        max_body_size=max((task.body_limit for task in jobs.tasks() if task.body_limit), default=None),
        summary="Run a task at set times",
        operation_id="create_schedule",
        dependencies=BODY,
        responses=CREATED | problem_responses(*BODY_PROBLEMS),
    )
    def create(wanted: NewSchedule, request_id: RequestId, response: Response) -> ScheduleOut:
        now = datetime.now(UTC)
        rule, arguments = make_rule(**wanted.rule(), now=now), _arguments(tasks, wanted)
        definition = Definition(
            task=wanted.task,
            arguments=arguments,
            description=wanted.description,
            rule=rule,
            catch_up=wanted.catch_up,
            created_at=now,
        )
        draft = scheduler.draft(definition, request_id)
        # before it is kept: what has no answer is not stored
        answer = ScheduleOut.of(draft, router.prefix.removesuffix("/schedules"))
        with jobs.available():
            scheduler.keep(draft)
        response.headers["Location"] = f"{router.prefix}/{draft.schedule_id}"
        return answer


def _add_read(router: APIRouter, scheduler: TaskScheduler, available: CircuitBreaker, prefix: str) -> None:
    @router.get(
        "",
        summary="List schedules, newest first",
        operation_id="list_schedules",
        responses=problem_responses(422, 429, 503),
    )
    def list_schedules(query: Annotated[SchedulesQuery, Query()]) -> SchedulePage:
        with available():
            found, cursor = scheduler.page(query.limit, query.before)
        return SchedulePage.of(found, cursor, prefix)

    @router.get(
        "/{schedule_id}",
        summary="Look up a schedule",
        operation_id="get_schedule",
        responses=problem_responses(404, 429, 503),
    )
    def get(schedule_id: ScheduleId) -> ScheduleOut:
        with available():
            return ScheduleOut.of(scheduler.find(schedule_id), prefix)


def _add_change(router: APIRouter, scheduler: TaskScheduler, available: CircuitBreaker, prefix: str) -> None:
    @router.patch(
        "/{schedule_id}",
        summary="Pause or resume a schedule",
        operation_id="change_schedule",
        dependencies=BODY,
        responses=problem_responses(404, 409, *BODY_PROBLEMS),
    )
    def change(schedule_id: ScheduleId, wanted: SchedulePatch) -> ScheduleOut:
        with available():
            schedule = (scheduler.pause if wanted.paused else scheduler.resume)(schedule_id)
        return ScheduleOut.of(schedule, prefix)

    @router.delete(
        "/{schedule_id}",
        status_code=204,
        summary="Delete a schedule",
        description="The stack's own schedules (`hello`, `purge-records`, backups) can be paused, not deleted.",
        operation_id="delete_schedule",
        responses=problem_responses(404, 409, 429, 503),
    )
    def delete(schedule_id: ScheduleId) -> None:
        with available():
            scheduler.delete(schedule_id)


def _add_run(router: APIRouter, scheduler: TaskScheduler, jobs: Jobs, prefix: str) -> None:
    @router.post(
        "/{schedule_id}/run",
        status_code=202,
        summary="Run the task of a schedule now",
        operation_id="run_schedule",
        responses=problem_responses(404, 409, 429, 503),
    )
    def run(schedule_id: ScheduleId, request_id: RequestId, response: Response) -> Accepted:
        with jobs.admission():
            task, job_id = scheduler.run(schedule_id, request_id)
        response.headers["Location"] = f"{prefix}/jobs/{job_id}"
        return Accepted(job_id=job_id, task=task)


def _arguments(tasks: dict[str, Any], wanted: NewSchedule) -> dict[str, Any]:
    """Return the arguments as the task takes them, defaults included."""
    if wanted.task not in tasks:
        raise InvalidSchedule("task", f"Input should be one of {', '.join(tasks)}")
    try:
        arguments = tasks[wanted.task].model_validate(wanted.arguments)
    except ValidationError as error:
        raise RequestValidationError(
            [problem | {"loc": ("body", "kwargs", *problem["loc"])} for problem in error.errors(include_context=False)]
        ) from None
    return dict(arguments.model_dump(mode="json"))
