"""Announced tasks with Celery's own Redis transport."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.http import assert_problem, finished
from tests.support.processes import RedisServer, Worker
from tests.support.producer import Producer
from tests.support.wait import wait_until


@pytest.fixture
def stock(server: RedisServer, tmp_path: Path) -> Iterator[Producer]:
    """A producer without the code, and a consumer with it."""
    url = server.url.replace("redis://", "redis+stock://")
    more: Any = {"redis_url": server.url, "task_modules": "tests.support.remote_tasks", "consumer_queues": "shop"}
    producer = Producer(tmp_path, server.port, broker_url=url, redis_url=server.url)
    with Worker(url, tmp_path, "shop", app="project.consumer", run_dir=tmp_path, **more), producer:
        yield producer.ready()


def test_an_announced_task_runs_on_the_stock_transport(stock: Producer) -> None:
    """The job goes to the queue of the card, which the producer's own configuration does not name."""
    with stock.client() as http:
        wait_until(lambda: http.options("/producer/api/price").status_code == 405, what="the task is announced")
        assert_problem(http.post("/producer/api/price", json={}), 422)
        job_id = http.post("/producer/api/price", json={"items": [{"tea": 3}]}).json()["job_id"]
        assert finished(http, "price", job_id)["result"] == "3 EUR"
