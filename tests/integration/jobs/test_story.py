"""The story of a job: each run with the reason why it ended, and where its time went, with leases and without."""

from itertools import pairwise
from typing import Any

import pytest
from redis import Redis

from project.brokers.job_records import JobMessage, new_nonce
from project.jobs.story import raw_record, story
from project.leased_transport import control, keys, messages, scripts
from project.story_models import Story
from tests.support.task_fixtures import Tasks
from tests.support.wait import wait_until

LEASE = 1


@pytest.fixture(params=["leased", "stock"])
def each(request: pytest.FixtureRequest) -> Tasks:
    """A producer and a prefork worker, with leases and without."""
    tasks: Tasks = request.getfixturevalue("tasks" if request.param == "leased" else "stock_tasks")
    if request.param == "stock":
        tasks.worker("prefork", "prefork", 2)
    return tasks


def _story(tasks: Tasks, job_id: str) -> Story:
    return story(tasks.app, job_id, LEASE)


def _outcomes(tasks: Tasks, job_id: str) -> list[tuple[int, str]]:
    return [(run.attempt, run.outcome) for run in _story(tasks, job_id).runs]


def test_each_run_of_a_job_that_is_retried_tells_why_it_ended(each: Tasks) -> None:
    """With its error and consumer; the parts of the timeline follow one another without gaps."""
    job_id = each.app.tasks["flaky"].apply_async(kwargs={"failures": 2}, queue="prefork").id
    each.ended(job_id)
    found = _story(each, job_id)
    assert [(run.attempt, run.outcome) for run in found.runs] == [(1, "retry"), (2, "retry"), (3, "success")]
    assert found.runs[0].error and found.runs[0].error.type == "ConnectionError"
    assert found.runs[0].consumer and found.runs[0].consumer.startswith("prefork@")
    waited = found.runs[0].started_at != found.job.submitted_at  # an idle consumer may take it in the same millisecond
    lanes = ["waiting", "running"] if waited else ["running"]
    for run, later in pairwise(found.runs):
        delayed = later.started_at != run.ended_at  # a random delay may be none at all
        lanes += ["retry_delay", "running"] if delayed else ["running"]
    assert [part.lane for part in found.timeline] == lanes
    assert all(one.end == two.start for one, two in pairwise(found.timeline))
    assert (found.timeline[0].start, found.timeline[-1].end) == (found.job.submitted_at, found.job.finished_at)
    assert found.arguments == {"failures": 2}  # kept, as the job is recent


def test_a_failed_job_that_is_requeued_keeps_the_run_before(each: Tasks) -> None:
    """And tells how that one ended."""
    job_id = each.app.tasks["divide"].apply_async(kwargs={"dividend": 1, "divisor": 0}, queue="prefork").id
    each.ended(job_id)
    assert _outcomes(each, job_id) == [(1, "failure")]
    assert each.app.broker.requeue([job_id]) == [job_id]
    wait_until(lambda: len(_outcomes(each, job_id)) == 2 and each.record(job_id)["status"] == "FAILURE")
    assert [outcome for _, outcome in _outcomes(each, job_id)] == ["failure", "failure"]


def test_a_requeued_job_keeps_the_run_before_even_if_it_begins_before_the_broker_has_confirmed(
    stock_tasks: Tasks,
) -> None:
    """A free consumer may be quicker than the producer that notes that the message was sent."""
    app, client = stock_tasks.app, stock_tasks.app.broker.redis
    stock_tasks.worker("prefork", "prefork", 2)
    job_id = app.tasks["divide"].apply_async(kwargs={"dividend": 1, "divisor": 0}, queue="prefork").id
    stock_tasks.ended(job_id)
    key, nonce = keys.job(job_id), new_nonce()
    name, queue, text = scripts.PREPARE_REQUEUE(client, [key], [nonce, "stock"])
    args, kwargs, options = messages.call(text)
    options |= {"queue": queue.decode(), "retries": 0}
    JobMessage(app.tasks[name.decode()], args, kwargs, job_id, nonce, options).send()
    wait_until(lambda: int(client.hget(key, "token")) == 2 and stock_tasks.record(job_id)["status"] == "FAILURE")
    assert scripts.CONFIRM_SENT(client, [key], [job_id, nonce, 1, ""]) == 1
    assert [outcome for _, outcome in _outcomes(stock_tasks, job_id)] == ["failure", "failure"]


def test_a_time_limit_is_the_reason(each: Tasks) -> None:
    """Of the last run."""
    job_id = each.submit("rest_too_long")
    each.ended(job_id)
    assert _outcomes(each, job_id) == [(1, "time_limit")]


def test_a_run_that_goes_on_has_no_end(each: Tasks) -> None:
    """Nor has the last part of its timeline; when it is cancelled, it was revoked."""
    job_id = each.submit("walk", "endless")
    each.came("endless")
    found = _story(each, job_id)
    assert [(run.outcome, run.ended_at) for run in found.runs] == [("running", None)]
    assert (found.timeline[-1].lane, found.timeline[-1].end) == ("running", None)
    control.cancel_or_collect(each.redis, job_id)
    each.open("endless")
    assert _outcomes(each, job_id) == [(1, "revoked")]


def test_a_lost_lease_is_the_reason_and_has_a_lane(tasks: Tasks) -> None:
    """From the last renewal of the lease to the moment at which another consumer noticed."""
    victim = tasks.worker("victim", "prefork", lease=LEASE)
    job_id = tasks.submit("walk", "lost", queue="victim")
    tasks.came("lost")
    victim.kill()
    tasks.worker("heir", "prefork", queues="victim", lease=LEASE)
    tasks.came("lost")
    tasks.open("lost")
    tasks.ended(job_id)
    found = _story(tasks, job_id)
    assert [(run.attempt, run.outcome) for run in found.runs] == [(1, "lost_lease"), (2, "success")]
    assert "lost_lease" in [part.lane for part in found.timeline]
    assert all(part.end and part.start < part.end for part in found.timeline)


def test_a_crash_is_the_reason(tasks: Tasks) -> None:
    """Each run that killed its process has this reason."""
    job_id = tasks.submit("die_slowly_or_at_once", False)
    tasks.ended(job_id)
    assert {outcome for _, outcome in _outcomes(tasks, job_id)} == {"crash"}


def test_a_log_keeps_the_last_twenty_runs(tasks: Tasks) -> None:
    """And says how many it has dropped; a damaged log harms nothing."""
    job_id = tasks.submit("sum", 1, queue="nobody")
    redis: Redis = tasks.redis
    for _ in range(25):
        redis.hset(keys.job(job_id), mapping={"status": "FAILURE", "started_at": 1, "error": "{", "consumer": b"\xff"})
        assert control.requeue(redis, [job_id]) == [job_id]
    found = _story(tasks, job_id)
    assert (len(found.runs), found.runs_dropped) == (20, 5)
    redis.hset(keys.job(job_id), "runs", "x\n[]\n{}")
    assert _story(tasks, job_id).runs == []


def test_relatives_are_named_with_their_status(tasks: Tasks) -> None:
    """Parent and children."""
    job_id = tasks.submit("parent", "well")
    tasks.ended(job_id)
    found: Any = wait_until(lambda: _story(tasks, job_id).children and _story(tasks, job_id))
    child = found.children[0]
    assert (child.task, found.children_total) == ("receive", 1)
    assert _story(tasks, child.job_id).parent.job_id == job_id  # type: ignore[union-attr]


def test_the_message_of_each_kind_of_broker_can_be_shown(each: Tasks) -> None:
    """Parsed."""
    job_id = each.app.tasks["wait_and_return"].apply_async(kwargs={"message": "shown"}, queue="nobody", countdown=60).id
    assert "shown" in str(raw_record(each.app, job_id).message)
