"""What tasks can declare works with RabbitMQ too: retries, and what follows a job."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from project.job_models import Job
from project.leased_transport import records
from tests.support.processes import RedisServer
from tests.support.rabbitmq import RabbitServer
from tests.support.task_fixtures import Tasks
from tests.support.wait import wait_until


@pytest.fixture(scope="module")
def tasks(rabbit: RabbitServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tasks]:
    """A producer, and a prefork worker that serves the queue `default`."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        tasks = Tasks(rabbit.own_url(), server, tmp_path_factory.mktemp("workers"), server.url)
        tasks.worker("prefork", "prefork", 2, queues="default")
        yield tasks
        tasks.kill_workers()


@pytest.fixture(autouse=True)
def _nothing_received(tasks: Tasks) -> None:
    tasks.redis.flushdb()


def test_a_job_that_fails_is_tried_again_after_a_pause(tasks: Tasks) -> None:
    """RabbitMQ keeps it during the pause; each run is an attempt of the same job."""
    record = tasks.ended(tasks.submit("fail_times", "rabbit", 2, queue="default"), 30)
    assert (record["status"], record["result"], record["attempts"]) == ("SUCCESS", 3, "3")


def test_a_job_in_retry_shows_its_last_error_and_the_time_of_the_next_try(tasks: Tasks) -> None:
    """It shows the same as with the other brokers, but no lease."""
    job_id = tasks.submit("fail_at_length", 1, True, queue="default")
    wait_until(lambda: tasks.record(job_id).get("status") == "RETRY")
    job = Job[Any].from_record(job_id, records.read(tasks.redis, job_id) or {}, traceback=True)
    assert job.error
    assert (job.error.message, job.lease) == ("ä, 1", None)
    assert job.due_at
    assert timedelta(seconds=50) < job.due_at - datetime.now(UTC) < timedelta(seconds=61)
    assert job.traceback
    assert job.traceback.startswith("Traceback")


@pytest.mark.parametrize(("behaviour", "status"), [("well", "SUCCESS"), ("fail", "FAILURE")])
def test_what_follows_a_job_gets_its_result_or_its_failure(tasks: Tasks, behaviour: str, status: str) -> None:
    """One child, known to its parent."""
    job_id = tasks.submit("parent", behaviour, queue="default")
    assert tasks.ended(job_id, 30)["status"] == status
    wait_until(lambda: tasks.redis.llen("received") == 1)
    given = json.loads(tasks.redis.lindex("received", 0))
    assert given == {"did": "well"} if status == "SUCCESS" else given["error"]["type"] == "ValueError"
    child = tasks.record(job_id)["child_ids"]
    assert tasks.ended(child)["parent"] == job_id


def test_a_consumer_killed_before_the_end_leaves_one_child(tasks: Tasks) -> None:
    """The job runs again and submits the same child, which is known already."""
    tasks.redis.set("kill the parent", 1)
    job_id = tasks.submit("parent", "well", queue="default")
    record = tasks.ended(job_id, 30)
    assert (record["status"], record["attempts"]) == ("SUCCESS", "2")
    line = f"although an earlier run of its job has not ended: job_id={job_id} task=parent queue=default consumer="
    assert line.encode() in tasks.log("prefork")
    assert tasks.ended(record["child_ids"])["status"] == "SUCCESS"
    assert tasks.redis.llen("received") == 1
