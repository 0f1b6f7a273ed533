"""CONSUMER_QUEUES: which queues a consumer serves."""

import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from project.settings import Settings
from tests.support.processes import Worker
from tests.support.wait import wait_until


def _consumer(settings: Settings, folder: Path, queues: str) -> Worker:
    return Worker(settings.redis, folder, "one", app="project.consumer", run_dir=folder, consumer_queues=queues)


def test_spaces_and_commas_too_many_do_not_matter(redis: Redis, settings: Settings, tmp_path: Path) -> None:
    """Otherwise ` default` would be a queue of its own, and no consumer would serve `default`."""
    worker = _consumer(settings, tmp_path, " cpu, default,")
    try:
        known: Any = wait_until(lambda: redis.get("consumer:one@test"), what="the consumer is there")
    finally:
        worker.kill()
    assert json.loads(known)["queues"] == ["cpu", "default"]


@pytest.mark.parametrize("queues", ["cpuu", "cpu default"])
def test_a_name_that_no_queue_has_stops_the_start(settings: Settings, tmp_path: Path, queues: str) -> None:
    """The error is one line, which lists the queues."""
    worker = _consumer(settings, tmp_path, f"default,{queues}")
    try:
        assert worker.process.wait(60) == 1
    finally:
        worker.kill()
    known = "cpu, default, maintenance, notifications"
    assert worker.log.read_text() == (
        f"glassqueue: CONSUMER_QUEUES: no queue is called '{queues}'; choose from {known} (see .env.example)\n"
    )
