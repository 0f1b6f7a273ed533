"""Announced tasks with RabbitMQ, which has the messages while Redis has cards and records."""

import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.http import assert_problem, finished
from tests.support.processes import Worker
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

ITEMS = {"items": [{"tea": 3}]}


@pytest.fixture(scope="module")
def consumer(stack: NativeStack) -> Iterator[Worker]:
    """A consumer with tasks of its own beside the stack."""
    environment = {name: value for name, value in stack.environment.items() if name not in os.environ}
    settings: Any = {"task_modules": "tests.support.remote_tasks", "consumer_queues": "shop", **environment}
    with Worker(settings.pop("BROKER_URL"), stack.run_dir, "shop", app="project.consumer", **settings) as worker:
        with stack.client() as http:
            wait_until(lambda: http.options("/producer/api/price").status_code == 405, what="the task is announced")
        yield worker


def test_an_announced_task_runs_and_validates(http: httpx.Client, consumer: Worker) -> None:
    """The result comes back, and wrong arguments never reach RabbitMQ."""
    assert_problem(http.post("/producer/api/price", json={}), 422)
    job_id = http.post("/producer/api/price", json=ITEMS).json()["job_id"]
    assert finished(http, "price", job_id)["result"] == "3 EUR"
    queues = {queue["queue"]: queue for queue in http.get("/producer/api/queues").json()}
    assert queues["shop"]["waiting"] == 0


def test_a_delayed_job_of_an_announced_task_runs(http: httpx.Client, consumer: Worker) -> None:
    """RabbitMQ delays it: the consumer has bound its queue to what delays messages."""
    response = http.post("/producer/api/price", params={"countdown": 1}, json=ITEMS)
    assert finished(http, "price", response.json()["job_id"])["result"] == "3 EUR"
