"""A real Redis for the integration tests, and the workers that run tasks on it."""

from collections.abc import Iterator

import pytest
from redis import Redis

from project.settings import Settings
from tests.support.processes import RedisServer
from tests.support.task_fixtures import session_server, session_tasks, stock_tasks, tasks

__all__ = ["redis", "server", "session_server", "session_tasks", "settings", "stock_tasks", "tasks"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of the module's own."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def redis(server: RedisServer) -> Redis:
    """A client of that Redis."""
    return server.client


@pytest.fixture
def settings(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings that point there, at an empty database."""
    server.client.flushall()
    return Settings(redis_port=server.port, run_dir=tmp_path_factory.mktemp("run"))
