"""Schedulers on a Redis that a test may kill."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from project.celery_config.app import create_celery_app
from project.schedules.task_scheduler import TaskScheduler
from project.settings import Settings
from tests.support.processes import RedisServer
from tests.support.schedulers import SchedulerProcess
from tests.support.stack import QUIET

StartScheduler = Callable[..., SchedulerProcess]


class Jobs:
    """The jobs that a scheduler has submitted; no consumer runs them."""

    def __init__(self, server: RedisServer) -> None:
        self.client: Any = server.client

    def ids(self, queue: str = "cpu") -> list[str]:
        """Return the ids of those that wait, the oldest first."""
        return [raw.decode() for raw in reversed(self.client.lrange(queue, 0, -1))]

    def submitted_at(self, job_id: str) -> float:
        """Return when a job was submitted."""
        return float(self.client.hget(f"job:{job_id}", "submitted_at"))


@pytest.fixture
def app(server: RedisServer) -> Iterator[Celery]:
    """The app as the producer has it."""
    app = create_celery_app(Settings(_env_file=None, redis_port=server.port))
    yield app
    app.close()


@pytest.fixture
def scheduler(app: Celery) -> TaskScheduler:
    """Where schedules are made."""
    return TaskScheduler(app)


@pytest.fixture
def jobs(server: RedisServer) -> Jobs:
    """What was submitted."""
    return Jobs(server)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own that persists every write."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with RedisServer(folder, "--appendonly", "yes") as server:
        yield server


@pytest.fixture
def start(server: RedisServer, tmp_path: Path) -> Iterator[StartScheduler]:
    """Start schedulers by name; all are killed when the test is over."""
    running: list[SchedulerProcess] = []

    def start(name: str, **settings: str) -> SchedulerProcess:
        running.append(SchedulerProcess(tmp_path, name, **QUIET | {"REDIS_PORT": str(server.port)} | settings))
        return running[-1].ready()

    yield start
    for scheduler in running:
        scheduler.kill()
