"""Fixtures of the transport's tests: a Redis shared by the session, and workers that never outlive a test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from tests.support.processes import RedisServer, Worker
from tests.support.transport_app import create_app

LEASE = 1.0
StartWorker = Callable[..., Worker]


@pytest.fixture(scope="session")
def session_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server for all tests that leave it running."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(session_redis: RedisServer) -> RedisServer:
    """The session's Redis, empty."""
    session_redis.client.flushall()
    return session_redis


@pytest.fixture
def redis(server: RedisServer) -> Redis:
    """A plain client of the test's Redis."""
    return server.client


@pytest.fixture
def app(server: RedisServer) -> Iterator[Celery]:
    """A producer on the test's Redis."""
    app = create_app(server.url, lease=LEASE)
    yield app
    app.backend.result_consumer.stop()
    app.close()


@pytest.fixture
def workers(server: RedisServer, tmp_path: Path) -> Iterator[StartWorker]:
    """Start worker processes by name; all are killed when the test is over."""
    running: list[Worker] = []

    def start(
        name: str = "one", pool: str = "solo", slots: int = 1, *args: str, ready: bool = True, **env: Any
    ) -> Worker:
        env.setdefault("lease", LEASE)
        running.append(Worker(env.pop("url", server.url), tmp_path, name, pool, slots, *args, **env))
        return running[-1].ready() if ready else running[-1]

    yield start
    for worker in running:
        worker.kill()
