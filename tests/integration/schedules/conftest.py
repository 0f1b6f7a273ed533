"""Schedulers on a Redis that a test may kill."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.processes import RedisServer
from tests.support.schedulers import SchedulerProcess

StartScheduler = Callable[[str], SchedulerProcess]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own that keeps what it was told."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder, "--appendonly", "yes")
    yield server
    server.kill()


@pytest.fixture
def start(server: RedisServer, tmp_path: Path) -> Iterator[StartScheduler]:
    """Start schedulers by name; all are killed when the test is over."""
    running: list[SchedulerProcess] = []

    def start(name: str) -> SchedulerProcess:
        running.append(SchedulerProcess(tmp_path, name, REDIS_PORT=str(server.port)))
        return running[-1].ready()

    yield start
    for scheduler in running:
        scheduler.kill()
