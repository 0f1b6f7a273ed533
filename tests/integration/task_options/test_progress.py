"""Progress: the record has the reports of a job while it runs, and a failed report does not harm the job."""

import json

import pytest

from tests.support.task_fixtures import Tasks
from tests.support.wait import wait_until

QUARTER = {"fraction": 0.25, "text": "a quarter"}


@pytest.mark.parametrize("pool", ["prefork", "threads", pytest.param("forked", marks=pytest.mark.heavy)])
def test_progress_is_in_the_record_of_a_running_job(tasks: Tasks, pool: str) -> None:
    """In a pool process and in the consumer itself; the job stays STARTED, and subscribers get the change."""
    if pool != "prefork":
        tasks.worker(pool, pool)
    with tasks.redis.pubsub() as listener:
        listener.subscribe("jobs")
        job_id = tasks.submit("walk", pool, queue=pool)
        tasks.came(pool)
        wait_until(lambda: "progress" in tasks.record(job_id))
        assert (tasks.record(job_id)["progress"], tasks.record(job_id)["status"]) == (QUARTER, "STARTED")
        tasks.open(pool)
        assert tasks.ended(job_id)["progress"] == {"fraction": 1, "text": "there"}
        messages = [message["data"] for message in iter(lambda: listener.get_message(timeout=0.2), None)]
    heard = [json.loads(data) for data in messages[1:]]  # the first confirms the subscription
    assert [event["status"] for event in heard if event["job_id"] == job_id].count("STARTED") == 3


def test_a_job_that_begins_again_has_no_old_progress(tasks: Tasks) -> None:
    """The first consumer is killed; the next run begins without progress."""
    worker = tasks.worker("mortal", "solo")
    job_id = tasks.submit("report_at_first", "again", queue="mortal")
    tasks.came("again")
    wait_until(lambda: "progress" in tasks.record(job_id))
    worker.kill()
    tasks.worker("heir", "solo", queues="mortal")
    tasks.came("again")
    assert (tasks.record(job_id)["attempts"], tasks.record(job_id).get("progress")) == ("2", None)
    tasks.open("again")
    assert tasks.ended(job_id)["status"] == "SUCCESS"


def test_a_frozen_redis_fails_no_job_that_reports(tasks: Tasks) -> None:
    """Reports that cannot be written are dropped; the job succeeds when Redis is back."""
    tasks.worker("frozen", "prefork", redis_timeout=0.2)
    job_id = tasks.submit("report_often", 0.7, queue="frozen")
    wait_until(lambda: "progress" in tasks.record(job_id))
    tasks.server.send("STOP")
    try:
        wait_until(lambda: b"report_often: done" in tasks.log("frozen"))
    finally:
        tasks.server.send("CONT")
    assert tasks.ended(job_id)["status"] == "SUCCESS"


def test_progress_works_on_the_stock_transport_too(stock_tasks: Tasks) -> None:
    """There only our result backend writes the record."""
    tasks = stock_tasks
    tasks.worker("stock", "solo")
    job_id = tasks.submit("walk", "stock", queue="stock")
    tasks.came("stock")
    assert tasks.record(job_id)["progress"] == QUARTER
    tasks.open("stock")
    assert tasks.ended(job_id)["progress"]["fraction"] == 1
