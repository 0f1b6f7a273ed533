"""A real Redis for the integration tests."""

from collections.abc import Iterator

import pytest
from redis import Redis

from project.settings import Settings
from tests.support.redis_server import running_redis


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis of the module's own."""
    with running_redis(tmp_path_factory.mktemp("redis")) as client:
        yield client


@pytest.fixture
def settings(redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings that point there, at an empty database."""
    redis.flushall()
    port = redis.connection_pool.connection_kwargs["port"]
    return Settings(redis_port=port, run_dir=tmp_path_factory.mktemp("run"))
