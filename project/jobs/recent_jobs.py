"""What can be done with recent jobs besides listing them: forget, edit, tell their story, requeue all that match."""

import math
from typing import Any

from project.celery_config.task import JobTask
from project.errors import ArgumentsGone, NotEnded, UnknownJob
from project.job_models import Failures
from project.jobs import search
from project.jobs import story as stories
from project.jobs.arguments import task_of, true_arguments
from project.jobs.service import Jobs
from project.leased_transport import control, keys, records, scripts
from project.leased_transport.listing import Criteria
from project.leased_transport.overwritten import naming
from project.story_models import RawRecord, Story


def requeue_all(jobs: Jobs, criteria: Criteria) -> list[str]:
    """Requeue all matching jobs among the recent ones; return the ids of the requeued jobs."""
    with jobs.admission():
        return jobs.app.broker.requeue(_matching(jobs, criteria))


def count(jobs: Jobs, criteria: Criteria) -> int:
    """Return how many of the recent jobs match."""
    with jobs.available():
        return len(_matching(jobs, criteria))


def _matching(jobs: Jobs, criteria: Criteria) -> list[str]:
    return search.find(jobs.app, criteria, records.RECENT_LIMIT, None, math.inf).ids


def forget(jobs: Jobs, job_id: str, ttl: int) -> None:
    """Delete the record of a job that has ended; raise UnknownJob or NotEnded."""
    with jobs.available():
        forgotten = control.forget(jobs.app.broker.redis, job_id, ttl)
    if not forgotten:
        raise UnknownJob if forgotten is None else NotEnded


def original(jobs: Jobs, job_id: str) -> tuple[JobTask, dict[str, Any], str]:
    """Return the task of a job, its arguments with secrets, and its queue; raise UnknownJob or ArgumentsGone."""
    with jobs.available(), naming(keys.job(job_id)):
        name, message, queue = jobs.app.broker.redis.hmget(keys.job(job_id), ["task", "message", "queue"])
    if name is None:
        raise UnknownJob
    task, arguments = task_of(jobs.app, name.decode()), true_arguments(jobs.app, name.decode(), message)
    if task is None or not task.route or arguments is None:
        raise ArgumentsGone
    return task, arguments, (queue or b"").decode()


def link_edited(jobs: Jobs, job_id: str, edited: str) -> None:
    """Note in the record of a job that another job was made from it with edited arguments."""
    with jobs.available():
        scripts.LINK_EDITED(jobs.app.broker.redis, [keys.job(job_id)], [edited])


def failures(jobs: Jobs, task: str) -> Failures:
    """Return the failures among the recent jobs, grouped."""
    with jobs.available():
        return search.failures(jobs.app, task)


def story(jobs: Jobs, job_id: str, lease: float) -> Story:
    """Return everything that is known about a job, or raise UnknownJob."""
    with jobs.available():
        return stories.story(jobs.app, job_id, lease)


def raw_record(jobs: Jobs, job_id: str) -> RawRecord:
    """Return the record and the message of a job as stored in Redis, or raise UnknownJob."""
    with jobs.available():
        return stories.raw_record(jobs.app, job_id)
