"""Fixtures of the tasks' tests: one Redis and one prefork worker that all tests share."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from project.celery_config.app import create_celery_app
from project.leased_transport import keys, records
from project.settings import Settings
from tests.support.processes import RedisServer, Worker
from tests.support.wait import wait_until

ENDED = ("SUCCESS", "FAILURE", "REVOKED")


class Tasks:
    """Submits jobs to workers by task name and reads their records."""

    def __init__(self, url: str, server: RedisServer, folder: Path, records_url: str = "") -> None:
        """Make the app of a producer on the broker at *url*."""
        self.url, self.server, self._folder = url, server, folder
        self.records_url = records_url or url.replace("+stock", "")
        self.redis: Any = Redis.from_url(self.records_url)
        self.app: Celery = create_celery_app(Settings(_env_file=None, broker_url=url, redis_url=self.records_url))
        self._workers: dict[str, Worker] = {}

    def worker(self, name: str, pool: str, slots: int = 1, queues: str = "", **env: Any) -> Worker:
        """Start a worker that serves the queue of its own name, and return when it takes jobs."""
        env = {"lease": 1, "redis_url": self.records_url, **env}
        options = ("-Q", queues or name)
        worker = Worker(self.url, self._folder, name, pool, slots, *options, app="tests.support.task_app", **env)
        self._workers[name] = worker
        return worker.ready()

    def submit(self, task: str, *args: Any, queue: str = "prefork", **options: Any) -> str:
        """Submit a job of the default priority and return its id."""
        options.setdefault("priority", keys.DEFAULT_PRIORITY)
        return str(self.app.send_task(task, args, queue=queue, **options).id)

    def record(self, job_id: str) -> dict[str, Any]:
        """Return the record of a job with its JSON fields decoded."""
        record: dict[str, Any] = records.read(self.redis, job_id) or {}
        for field in {"result", "error", "progress"} & record.keys():
            record[field] = json.loads(record[field])
        return record

    def ended(self, job_id: str, timeout: float = 60) -> dict[str, Any]:
        """Wait for the end of a job and return its record."""
        wait_until(lambda: self.record(job_id).get("status") in ENDED, timeout, f"{job_id} ends")
        return self.record(job_id)

    def came(self, name: str) -> int:
        """Wait until a job reaches the gate, and return its process id."""
        wait_until(lambda: self.redis.llen(f"came:{name}"), what=f"a job comes to gate {name}")
        pid: Any = self.redis.lpop(f"came:{name}")
        return int(pid)

    def open(self, name: str) -> None:
        """Open the gate for a job."""
        self.redis.rpush(f"gate:{name}", 1)

    def log(self, name: str) -> bytes:
        """Return what a worker has printed so far."""
        return (self._folder / f"{name}.log").read_bytes()

    def kill_workers(self, *but: str) -> None:
        """Kill all workers except those named."""
        for name in self._workers.keys() - set(but):
            self._workers.pop(name).kill()


@pytest.fixture(scope="session")
def session_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for all tests."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def session_tasks(session_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tasks]:
    """A producer, and a prefork worker that serves the queues `prefork` and `default`."""
    tasks = Tasks(session_server.url, session_server, tmp_path_factory.mktemp("workers"))
    tasks.worker("prefork", "prefork", 2, queues="prefork,default")
    yield tasks
    tasks.kill_workers()


@pytest.fixture
def tasks(session_tasks: Tasks) -> Iterator[Tasks]:
    """The same, without the workers that a test adds."""
    yield session_tasks
    session_tasks.kill_workers("prefork")


@pytest.fixture
def stock_tasks(session_server: RedisServer, tmp_path: Path) -> Iterator[Tasks]:
    """A producer on kombu's own transport; in another database, as the two do not understand each other's queues."""
    tasks = Tasks(
        session_server.url.replace("redis://", "redis+stock://").replace("/0", "/1"), session_server, tmp_path
    )
    yield tasks
    tasks.kill_workers()
