"""Retries: a failed job is retried as its policy says, and waits for that in Redis."""

import time

import pytest

from tests.support.task_fixtures import Tasks
from tests.support.wait import wait_until


def test_a_job_is_tried_again_until_it_succeeds(tasks: Tasks) -> None:
    """The record counts the attempts, and the job succeeds."""
    record = tasks.ended(tasks.submit("fail_times", "twice", 2))
    assert (record["status"], record["result"], record["attempts"]) == ("SUCCESS", 3, "3")


def test_a_job_waits_in_redis_for_its_next_try(tasks: Tasks) -> None:
    """No consumer holds it while it waits, and its status is RETRY."""
    job_id = tasks.submit("fail_at_length", 1, True)
    wait_until(lambda: tasks.redis.zscore("delayed:prefork", job_id))
    assert tasks.record(job_id)["status"] == "RETRY"
    assert tasks.redis.zscore("leases:prefork", job_id) is None


@pytest.mark.parametrize(("error", "attempts"), [("ValueError", "2"), ("LookupError", "1"), ("KeyError", "1")])
def test_once_means_once_and_a_final_error_is_final(tasks: Tasks, error: str, attempts: str) -> None:
    """A KeyError is a LookupError, which is declared as final; the job ends with the last error."""
    record = tasks.ended(tasks.submit("fail_with", error))
    assert (record["status"], record["error"]["type"], record["attempts"]) == ("FAILURE", error, attempts)


def test_an_exceeded_time_limit_is_final(tasks: Tasks) -> None:
    """Also with ALWAYS, because a retry would take as long again."""
    record = tasks.ended(tasks.submit("never_ends"))
    assert (record["error"]["type"], record["attempts"]) == ("SoftTimeLimitExceeded", "1")


def _printed(tasks: Tasks, words: str) -> bool:
    return f"go_on_after: {words}".encode() in tasks.log("away")


@pytest.mark.parametrize("pool", ["prefork", pytest.param("forked", marks=pytest.mark.heavy)])
def test_a_retry_and_a_child_wait_for_a_redis_that_is_away(tasks: Tasks, pool: str) -> None:
    """Redis does not answer while one job is retried and another submits a child; both succeed when it is back."""
    tasks.redis.delete("received")
    tasks.worker("away", pool, 2, redis_timeout=0.2)
    ways = ("try again", "submit")
    jobs = [tasks.submit("go_on_after", 0.5, way, queue="away") for way in ways]
    wait_until(lambda: all(_printed(tasks, f"begun to {way}") for way in ways))
    tasks.server.send("STOP")
    try:
        done = time.monotonic() + 1.5
        wait_until(lambda: time.monotonic() > done and all(_printed(tasks, f"now {way}") for way in ways))
    finally:
        tasks.server.send("CONT")
    again, parent = (tasks.ended(job_id) for job_id in jobs)
    assert (again["status"], again["attempts"], parent["attempts"]) == ("SUCCESS", "2", "1")
    assert tasks.ended(parent["result"])["result"][0] == "from go_on_after"
    assert tasks.redis.llen("received") == 1


def test_retries_work_on_the_stock_transport_too(stock_tasks: Tasks) -> None:
    """There Celery's consumer holds the job until the retry is due."""
    tasks = stock_tasks
    tasks.worker("stock", "solo")
    record = tasks.ended(tasks.submit("fail_times", "stock", 1, queue="stock"))
    assert (record["status"], record["result"], record["attempts"]) == ("SUCCESS", 2, "2")
