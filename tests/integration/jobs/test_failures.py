"""What a record tells of a job that failed or runs: its error and traceback, the next try, the lease."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from project.job_models import Job, ListedJob
from project.leased_transport import keys, records, summaries
from tests.support.task_fixtures import Tasks
from tests.support.wait import wait_until

KIB = 1024


@pytest.fixture(params=["leased", "stock"])
def each(request: pytest.FixtureRequest) -> Tasks:
    """A producer and a prefork worker, with leases and without."""
    tasks: Tasks = request.getfixturevalue("tasks" if request.param == "leased" else "stock_tasks")
    if request.param == "stock":
        tasks.worker("prefork", "prefork", 2)
    return tasks


def look_up(tasks: Tasks, job_id: str) -> Job[Any]:
    """Return a job as clients see it, with its traceback."""
    return Job[Any].from_record(job_id, records.read(tasks.redis, job_id) or {}, traceback=True)


def in_status(tasks: Tasks, job_id: str, status: str) -> Job[Any]:
    """Wait until a job has a status, and return it as clients see it."""
    wait_until(lambda: tasks.record(job_id).get("status") == status, 30, f"{job_id} is {status}")
    return look_up(tasks, job_id)


def test_a_job_in_retry_shows_its_last_error_and_the_time_of_the_next_try(each: Tasks) -> None:
    """Lists show it too; the traceback is shown on request."""
    job_id = each.submit("fail_at_length", 1, True)
    job = in_status(each, job_id, "RETRY")
    result = each.app.AsyncResult(job_id)
    assert (result.state, type(result.result).__name__) == ("RETRY", "ValueError")
    assert job.error
    assert (job.error.type, job.error.message, job.ready) == ("ValueError", "ä, 1", False)
    assert job.due_at
    assert timedelta(seconds=50) < job.due_at - datetime.now(UTC) < timedelta(seconds=61)
    assert job.traceback
    assert job.traceback.endswith("ValueError: ('ä', 1)\n")
    listed = ListedJob.from_record(job_id, summaries.read(each.redis, [job_id])[0])
    assert (listed.error, listed.due_at, listed.traceback) == (job.error, job.due_at, None)


def test_a_job_that_succeeds_after_all_keeps_no_error(each: Tasks) -> None:
    """Nor does its next run show the error of the one before."""
    job_id = each.submit("fail_times", f"then-well-{time.time()}", 1)
    each.ended(job_id)
    job = look_up(each, job_id)
    assert (job.status, job.error, job.traceback, job.due_at) == ("SUCCESS", None, None, None)
    assert not each.redis.hexists(keys.job(job_id), "traceback")


def test_a_delayed_job_shows_when_it_is_due(each: Tasks) -> None:
    """It has no error."""
    job_id = each.app.tasks["sum"].apply_async(kwargs={"number": 1}, countdown=60).id
    job = look_up(each, job_id)
    assert (job.status, job.error) == ("PENDING", None)
    assert job.due_at
    assert timedelta(seconds=50) < job.due_at - datetime.now(UTC) < timedelta(seconds=61)


@pytest.mark.parametrize("retry", [False, True])
def test_a_long_message_and_its_traceback_are_kept_in_part(each: Tasks, retry: bool) -> None:
    """Head and tail stay; Celery's own result can still be read."""
    job_id = each.submit("fail_at_length", 200 * KIB, retry)
    job = in_status(each, job_id, "RETRY" if retry else "FAILURE")
    assert job.error
    assert job.traceback
    assert len(job.error.message.encode()) < 17 * KIB
    assert (job.error.message[0], job.error.message[-6:]) == ("ä", "204800")
    assert len(job.traceback.encode()) < 65 * KIB
    assert job.traceback.startswith("Traceback")
    assert "bytes left out]" in job.traceback
    assert each.redis.memory_usage(keys.job(job_id), samples=0) < 300 * KIB
    if not retry:
        assert len(str(each.app.AsyncResult(job_id).result)) < 17 * KIB


def test_a_running_job_shows_its_lease(tasks: Tasks) -> None:
    """Since it was taken, and until a lease after the last renewal; not once it has ended."""
    job_id = tasks.submit("walk", "leased")
    tasks.came("leased")
    job = look_up(tasks, job_id)
    lease = job.lease
    assert lease
    assert lease.since == job.started_at
    wait_until(lambda: (look_up(tasks, job_id).lease or lease).until > lease.until, what="it is renewed")
    assert timedelta(0) < lease.until - datetime.now(UTC) + timedelta(seconds=1) < timedelta(seconds=2)
    assert ListedJob.from_record(job_id, summaries.read(tasks.redis, [job_id])[0]).lease
    tasks.open("leased")
    tasks.ended(job_id)
    assert look_up(tasks, job_id).lease is None


def test_a_job_of_a_broker_without_leases_shows_none(stock_tasks: Tasks) -> None:
    """None is made up."""
    stock_tasks.worker("prefork", "prefork")
    job_id = stock_tasks.submit("walk", "unleased")
    stock_tasks.came("unleased")
    job = look_up(stock_tasks, job_id)
    assert (job.status, job.lease) == ("STARTED", None)
    stock_tasks.open("unleased")
    stock_tasks.ended(job_id)
