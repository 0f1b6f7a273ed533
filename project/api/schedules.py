"""Schedules: create, list, look up, pause, run now and delete them."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, Field, ValidationError

from project.api.deps import JobsDep, SchedulerDep, require_json
from project.api.parameters import BODY_LIMIT, RequestId, ScheduleId
from project.api.paths import API
from project.api.problems import problem_responses
from project.api.schedule_models import NewSchedule, Preview, ScheduleOut, SchedulePage, SchedulePatch, When
from project.job_models import Accepted
from project.jobs.service import Jobs
from project.schedules.errors import InvalidSchedule
from project.schedules.rules import make_rule
from project.schedules.schedule import Definition
from project.task_options.body_limits import Limited
from project.task_options.signature import arguments_model

router = APIRouter(prefix=f"{API}/schedules", tags=["schedules"])

JSON_BODY = [Depends(require_json)]
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
    before: float | None = Field(default=None, allow_inf_nan=False, description="The `next` of the previous page")


@router.post(
    "/preview",
    max_body_size=BODY_LIMIT,
    summary="Show when a schedule would fire",
    operation_id="preview_schedule",
    dependencies=JSON_BODY,
    responses=problem_responses(*BODY_PROBLEMS[:-1]),
)
def preview(when: When) -> Preview:
    return Preview.of(make_rule(**when.rule()))


# the body contains a task's arguments, so create_app sets the largest body_limit of all tasks for this router
@router.post(
    "",
    status_code=201,
    summary="Run a task at set times",
    operation_id="create_schedule",
    dependencies=JSON_BODY,
    responses=CREATED | problem_responses(*BODY_PROBLEMS),
)
def create(
    wanted: NewSchedule, scheduler: SchedulerDep, jobs: JobsDep, request_id: RequestId, response: Response
) -> ScheduleOut:
    """Create a schedule. The arguments are validated like those of a job."""
    draft = scheduler.draft(_definition(jobs, wanted), request_id)
    answer = ScheduleOut.of(draft)  # built before storing: a schedule that cannot be shown is not stored
    scheduler.keep(draft)
    response.headers["Location"] = f"{router.prefix}/{draft.schedule_id}"
    return answer


@router.get(
    "",
    summary="List schedules, newest first",
    operation_id="list_schedules",
    responses=problem_responses(422, 429, 503),
)
def list_schedules(query: Annotated[SchedulesQuery, Query()], scheduler: SchedulerDep) -> SchedulePage:
    return SchedulePage.of(*scheduler.page(query.limit, query.before))


@router.get(
    "/{schedule_id}",
    summary="Look up a schedule",
    operation_id="get_schedule",
    responses=problem_responses(404, 429, 503),
)
def get(schedule_id: ScheduleId, scheduler: SchedulerDep) -> ScheduleOut:
    return ScheduleOut.of(scheduler.find(schedule_id))


@router.patch(
    "/{schedule_id}",
    max_body_size=BODY_LIMIT,
    summary="Pause or resume a schedule",
    operation_id="change_schedule",
    dependencies=JSON_BODY,
    responses=problem_responses(404, 409, *BODY_PROBLEMS),
)
def change(schedule_id: ScheduleId, wanted: SchedulePatch, scheduler: SchedulerDep) -> ScheduleOut:
    return ScheduleOut.of(scheduler.pause(schedule_id) if wanted.paused else scheduler.resume(schedule_id))


@router.delete(
    "/{schedule_id}",
    status_code=204,
    summary="Delete a schedule",
    description="The stack's own schedules (`hello`, `purge-records`, backups) can be paused, not deleted.",
    operation_id="delete_schedule",
    responses=problem_responses(404, 409, 429, 503),
)
def delete(schedule_id: ScheduleId, scheduler: SchedulerDep) -> None:
    scheduler.delete(schedule_id)


@router.post(
    "/{schedule_id}/run",
    status_code=202,
    summary="Run the task of a schedule now",
    operation_id="run_schedule",
    responses=problem_responses(404, 409, 429, 503),
)
def run(schedule_id: ScheduleId, scheduler: SchedulerDep, request_id: RequestId, response: Response) -> Accepted:
    task, job_id = scheduler.run(schedule_id, request_id)
    response.headers["Location"] = f"{API}/jobs/{job_id}"
    return Accepted(job_id=job_id, task=task)


def _definition(jobs: Jobs, wanted: NewSchedule) -> Definition:
    now = datetime.now(UTC)
    rule = make_rule(**wanted.rule(), now=now)
    return Definition(
        task=wanted.task,
        arguments=_arguments(jobs, wanted),
        description=wanted.description,
        rule=rule,
        catch_up=wanted.catch_up,
        created_at=now,
    )


def _arguments(jobs: Jobs, wanted: NewSchedule) -> dict[str, Any]:
    """Return the arguments, validated, with defaults."""
    tasks = {task.name: task for task in jobs.tasks()}
    if wanted.task not in tasks:
        raise InvalidSchedule("task", f"Input should be one of {', '.join(tasks)}")
    try:
        arguments = arguments_model(tasks[wanted.task]).model_validate(wanted.arguments)
    except ValidationError as error:
        raise RequestValidationError(
            [problem | {"loc": ("body", "kwargs", *problem["loc"])} for problem in error.errors(include_context=False)]
        ) from None
    return dict(arguments.model_dump(mode="json"))
