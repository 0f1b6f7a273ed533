"""Consumers that run jobs in their own process and send RabbitMQ nothing meanwhile."""

from pathlib import Path
from typing import Any

import pytest

from project.brokers.rabbitmq import HEARTBEAT
from tests.support.processes import RedisServer
from tests.support.rabbitmq import RabbitServer
from tests.support.task_fixtures import Tasks


@pytest.mark.heavy
def test_a_job_that_blocks_its_consumer_for_longer_than_heartbeats_allow_runs_once(
    rabbit: RabbitServer, tmp_path: Path
) -> None:
    """RabbitMQ gives a consumer up after two to three heartbeats, and its job to another."""
    with RedisServer(tmp_path) as server:
        tasks = Tasks(rabbit.own_url(), server, tmp_path, records_url=server.url)
        try:
            for name in ("one", "two"):
                tasks.worker(name, "solo", queues="default", consumer_pool="solo")
            job_id = tasks.submit("wait_and_return", 3.5 * HEARTBEAT, queue="default")
            record: dict[str, Any] = tasks.ended(job_id, 90)
            assert (record["status"], record["attempts"]) == ("SUCCESS", "1")
        finally:
            tasks.kill_workers()
