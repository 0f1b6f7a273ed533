"""Jobs of any task: search the recent ones, look one up, cancel, forget and requeue them."""

from contextlib import suppress
from typing import Annotated, Any
from urllib.parse import quote

from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, Field, ValidationError

from project.api.deps import JobsDep, SettingsDep, require_json
from project.api.follow import add_follow
from project.api.long_poll import long_poll
from project.api.parameters import HowToLookUp, JobId, Moment, RequestId
from project.api.paths import API
from project.api.problems import problem_responses
from project.errors import BrokerUnavailable
from project.job_models import Accepted, Job, JobPage, Requeued, Status
from project.jobs import recent_jobs
from project.jobs.search import Criteria
from project.jobs.service import Jobs
from project.jobs.submit_options import SubmitOptions
from project.redaction import restored
from project.story_models import RawRecord, Story
from project.task_options.body_limits import Limited
from project.task_options.signature import arguments_model

router = APIRouter(prefix=f"{API}/jobs", tags=["overview"])


DRY_RUN: dict[int | str, Any] = {200: {"model": Requeued, "description": "Dry run: the number of jobs that match"}}


class Filter(Limited):
    """Which of the recent jobs."""

    model_config = ConfigDict(extra="forbid")

    task: str | None = Field(default=None, max_length=200, description="Only jobs of this task")
    queue: str | None = Field(default=None, max_length=200, description="Only jobs of this queue")
    submitted_from: Moment | None = Field(default=None, description="Submitted at this time or later (RFC 3339)")
    submitted_to: Moment | None = Field(default=None, description="Submitted at this time or earlier (RFC 3339)")
    error_type: str | None = Field(default=None, max_length=200, description="Only jobs with this type of error")
    text: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Only jobs whose arguments, as shown, contain this text, ignoring case; "
        "arguments of more than 16 KiB are not searched",
    )

    def criteria(self, status: str | None) -> Criteria:
        """Return what to search for."""
        since, until = (at.timestamp() if at else None for at in (self.submitted_from, self.submitted_to))
        names = self.task or "", status or "", self.queue or ""
        return Criteria(*names, since, until, self.error_type or "", self.text or "")


class JobsQuery(Filter):
    """Which of the recent jobs to list."""

    status: Status | None = None
    limit: int = Field(default=50, ge=1, le=200)
    before: float | None = Field(default=None, allow_inf_nan=False, description="The `next` of the previous page")


class RequeueQuery(Filter):
    """Which of the failed or revoked jobs to requeue."""

    status: Annotated[str, Field(pattern="^(FAILURE|REVOKED)$")] = "FAILURE"
    dry_run: bool = Field(default=False, description="`1` only counts them")


class Edited(Limited):
    """Arguments for a new job."""

    model_config = ConfigDict(extra="forbid")

    arguments: dict[str, Any] = Field(description="All arguments; one that is still •••• keeps its value")


@router.get(
    "",
    summary="List recent jobs, newest first",
    operation_id="list_jobs",
    responses=problem_responses(422, 429, 503),
)
def list_jobs(query: Annotated[JobsQuery, Query()], jobs: JobsDep) -> JobPage:
    return jobs.recent(query.criteria(query.status), query.limit, query.before)


@router.post(
    "/requeue",
    status_code=202,
    summary="Requeue all failed or revoked jobs that match, or count them",
    operation_id="requeue_jobs",
    responses=DRY_RUN | problem_responses(422, 429, 503),
)
def requeue_all(query: Annotated[RequeueQuery, Query()], jobs: JobsDep, response: Response) -> Requeued:
    criteria = query.criteria(query.status)
    if query.dry_run:
        response.status_code = 200
        return Requeued(count=recent_jobs.count(jobs, criteria), job_ids=[])
    job_ids = recent_jobs.requeue_all(jobs, criteria)
    return Requeued(count=len(job_ids), job_ids=job_ids)


# the body contains a task's arguments, so create_app sets the largest body_limit of all tasks for this router
@router.post(
    "/{job_id}/requeue",
    status_code=202,
    summary="Requeue a failed or revoked job, or submit any job again with edited arguments",
    operation_id="requeue_job",
    dependencies=[Depends(require_json)],
    responses=problem_responses(400, 404, 409, 413, 415, 422, 429, 503),
)
async def requeue(
    job_id: JobId,
    jobs: JobsDep,
    request_id: RequestId,
    response: Response,
    edited: Annotated[Edited | None, Body()] = None,
) -> Accepted:
    """Without a body, the job waits again under its id. With arguments, a new job is submitted; `Location` names it."""
    job = await _submit_edited(jobs, job_id, edited, request_id) if edited else await run_sync(jobs.requeue, job_id)
    # a task that consumers no longer announce, or one without a route, has no address of its own
    place = job.task if jobs.task(job.task) else "jobs"
    response.headers["Location"] = f"{API}/{place}/{quote(job.job_id, safe='~')}"
    return job


async def _submit_edited(jobs: Jobs, job_id: str, edited: Edited, request_id: str | None) -> Accepted:
    task, original, queue = await run_sync(recent_jobs.original, jobs, job_id)
    wanted = restored(edited.arguments, original)
    try:
        arguments = arguments_model(task).model_validate(wanted).model_dump(mode="json")
    except ValidationError as error:
        raise RequestValidationError(
            [each | {"loc": ("body", "arguments", *each["loc"])} for each in error.errors(include_context=False)]
        ) from None
    known = queue if queue in jobs.app.amqp.queues else None
    options = SubmitOptions(request_id=request_id, queue=known, edited_from=job_id)
    accepted = await jobs.submit(task, arguments, options)
    with suppress(BrokerUnavailable):  # the new job is accepted already, and its own record names the old one
        await run_sync(recent_jobs.link_edited, jobs, job_id, accepted.job_id)
    return Accepted(job_id=accepted.job_id, task=task.name)


@router.post(
    "/{job_id}/forget",
    status_code=204,
    summary="Delete the record of a job that has ended",
    operation_id="forget_job",
    responses=problem_responses(404, 409, 429, 503),
)
def forget(job_id: JobId, jobs: JobsDep, settings: SettingsDep) -> None:
    recent_jobs.forget(jobs, job_id, settings.result_ttl)


@router.get(
    "/{job_id}/story",
    summary="Show the runs of a job, where its time went, its arguments and relatives",
    operation_id="get_story",
    responses=problem_responses(404, 429, 503),
)
def story(job_id: JobId, jobs: JobsDep, settings: SettingsDep) -> Story:
    return recent_jobs.story(jobs, job_id, settings.lease)


@router.get(
    "/{job_id}/record",
    summary="Show the record and the message of a job as Redis stores them, without secrets",
    operation_id="get_record",
    responses=problem_responses(404, 429, 503),
)
def record(job_id: JobId, jobs: JobsDep) -> RawRecord:
    return recent_jobs.raw_record(jobs, job_id)


@router.delete(
    "/{job_id}",
    response_model=Job[Any],
    summary="Cancel a job of any task, or collect and delete it after it has ended",
    operation_id="delete_job",
    responses=problem_responses(404, 422, 429, 503),
)
async def cancel_or_collect(
    job_id: JobId, how: HowToLookUp, jobs: JobsDep, request: Request, response: Response
) -> Any:
    """Cancel a job that waits or runs. If it has ended, return it for the last time and delete it."""
    answer = jobs.cancel_or_collect(None, job_id, how.wait, how.traceback)
    return await long_poll(request, response, how.wait, answer)


# after /requeue: for a wrong method, the first route that matches the path answers 405 and lists its own methods
@router.get(
    "/{job_id}",
    response_model=Job[Any],
    summary="Look up a job of any task",
    operation_id="get_job",
    responses=problem_responses(404, 422, 429, 503),
)
async def look_up(job_id: JobId, how: HowToLookUp, jobs: JobsDep, request: Request, response: Response) -> Any:
    return await long_poll(request, response, how.wait, jobs.wait(None, job_id, how.wait, how.traceback))


add_follow(router, None)
