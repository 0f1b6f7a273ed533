"""Followers: the job that follows gets the result or the failure once, even if a process is killed in between."""

import json
import time
from typing import Any

import pytest

from tests.support.task_fixtures import Tasks
from tests.support.wait import wait_until


def _child(tasks: Tasks, job_id: str) -> dict[str, Any]:
    """Return the record of the one job that follows a job that has ended."""
    (child_id,) = tasks.ended(job_id)["child_ids"].split()
    return tasks.ended(child_id)


def test_the_result_is_the_argument_of_what_follows(tasks: Tasks) -> None:
    """The records of both jobs name each other."""
    job_id = tasks.submit("parent", "succeed")
    child = _child(tasks, job_id)
    assert (child["task"], child["queue"]) == ("receive", "default")
    assert child["result"] == [{"did": "succeed"}, job_id, job_id]


def test_a_job_of_an_id_that_was_used_before_has_a_child_of_its_own(tasks: Tasks) -> None:
    """The first job was collected, but its child is still known: the second child is another job."""
    children = []
    for _ in range(2):
        tasks.submit("parent", "succeed", task_id="used-twice")
        assert _child(tasks, "used-twice")["result"][1] == "used-twice"
        children.append(tasks.record("used-twice")["child_ids"])
        tasks.redis.delete("job:used-twice")
    assert len(set(children)) == 2


def test_on_failure_runs_once_after_the_last_attempt(tasks: Tasks) -> None:
    """Its argument names the job, the task and the error, as the HTTP interface does."""
    tasks.redis.delete("received")
    job_id = tasks.submit("parent", "fail")
    error = {"type": "ValueError", "message": "on purpose, 7"}
    failure = {"job_id": job_id, "task": "parent", "error": error}
    assert _child(tasks, job_id)["result"] == [failure, job_id, job_id]
    assert (tasks.record(job_id)["attempts"], tasks.redis.llen("received")) == ("2", 1)


def test_a_job_that_succeeds_at_its_second_try_has_one_child(tasks: Tasks) -> None:
    """The retry carries the link of the first run."""
    job_id = tasks.submit("parent", "fail at first")
    assert _child(tasks, job_id)["result"][0] == {"did": "fail at first"}


@pytest.mark.parametrize(("slowly", "error"), [(True, "TimeLimitExceeded"), (False, "WorkerLostError")])
def test_on_failure_also_runs_for_failures_that_the_main_process_reports(
    tasks: Tasks, slowly: bool, error: str
) -> None:
    """The process of the job was killed: at the hard time limit, or by the job itself."""
    limits: dict[str, Any] = {"soft_time_limit": 1, "time_limit": 2} if slowly else {}
    failure, parent_id, _ = _child(tasks, tasks.submit("die_slowly_or_at_once", slowly, **limits))["result"]
    assert (failure["job_id"], failure["task"], failure["error"]["type"]) == (parent_id, "die_slowly_or_at_once", error)


@pytest.mark.parametrize("behaviour", ["succeed", "fail"])
def test_a_consumer_killed_before_the_end_leaves_exactly_one_child(tasks: Tasks, behaviour: str) -> None:
    """The job runs again in another consumer, and the child that it submits is known already."""
    tasks.redis.delete("received")
    tasks.redis.set("kill the parent", 1)
    victim = tasks.worker(f"victim-{behaviour}", "solo", queues=f"kill-{behaviour}")
    job_id = tasks.submit("parent", behaviour, queue=f"kill-{behaviour}")
    wait_until(lambda: victim.process.poll() is not None, what="the consumer is killed")
    assert tasks.record(job_id)["status"] == "STARTED"
    wait_until(lambda: tasks.redis.llen("received"), what="the child runs, although its parent has not ended")
    tasks.worker(f"heir-{behaviour}", "solo", queues=f"kill-{behaviour}")
    child = _child(tasks, job_id)
    assert (child["attempts"], tasks.redis.llen("received")) == ("1", 1)


@pytest.mark.parametrize("well", [True, False])
def test_what_follows_waits_for_a_redis_that_is_away(tasks: Tasks, well: bool) -> None:
    """Redis does not answer when the job ends; the job keeps its result, and the follower is submitted when Redis is back."""
    tasks.worker(f"patient-{well}", "prefork", queues="patient", redis_timeout=0.2)
    job_id = tasks.submit("end_after", 0.5, well, queue="patient")
    wait_until(lambda: b"end_after: begun" in tasks.log(f"patient-{well}"))  # STARTED says only that it was sent there
    tasks.server.send("STOP")
    try:
        done = time.monotonic() + 1
        wait_until(lambda: b"end_after: done" in tasks.log(f"patient-{well}") and time.monotonic() > done)
    finally:
        tasks.server.send("CONT")
    child = _child(tasks, job_id)
    assert tasks.record(job_id)["status"] == ("SUCCESS" if well else "FAILURE")
    assert child["result"][0] == {"well": True} if well else child["result"][0]["error"]["type"] == "KeyError"


def test_a_full_queue_does_not_refuse_what_follows(tasks: Tasks) -> None:
    """The job that has run cannot wait for room, so the limit applies only to jobs of clients."""
    tasks.worker("limited", "solo", queue_limit=1)
    for _ in range(3):  # two keep the queue's worker busy, one waits
        last = tasks.submit("walk", "busy", queue="default")
    wait_until(lambda: tasks.redis.llen("came:busy") == 2)
    assert tasks.redis.lrange("default", 0, -1) == [last.encode()]
    record = tasks.ended(tasks.submit("parent", "full", queue="limited"))
    assert (record["status"], tasks.redis.llen("default")) == ("SUCCESS", 2)
    for _ in range(3):
        tasks.open("busy")
    tasks.ended(last)


def test_what_follows_works_on_the_stock_transport_too(stock_tasks: Tasks) -> None:
    """There the consumer writes the record of the child."""
    tasks = stock_tasks
    tasks.worker("stock", "solo", queues="stock,default")
    for behaviour in ("stock", "fail"):
        tasks.redis.delete("received")
        job_id = tasks.submit("parent", behaviour, queue="stock")
        child = _child(tasks, job_id)
        assert (child["parent"], child["result"][1]) == (job_id, job_id)
        assert [json.loads(given) for given in tasks.redis.lrange("received", 0, -1)] == [child["result"][0]]
