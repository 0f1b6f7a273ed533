"""A native stack on RabbitMQ, and a look behind it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.support.rabbitmq import RabbitServer
from tests.support.stack import NativeStack

LIMIT = 5  # jobs that a queue may hold
ATTEMPTS = 2


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, rabbit: RabbitServer) -> Iterator[NativeStack]:
    """A stack with one consumer of one slot, small queues and little patience with poison jobs."""
    settings = {
        "BROKER_URL": rabbit.own_url(),
        "FLOWER_BROKER_API": rabbit.management_url,
        "CONSUMER_SLOTS": "1",
        "QUEUE_LIMIT": str(LIMIT),
        "MAX_ATTEMPTS": str(ATTEMPTS),
        "SHUTDOWN_TIMEOUT": "1",
        "NOTIFICATION_CONSUMERS": "0",
        "MAINTENANCE_CONSUMERS": "0",
    }
    stack = NativeStack(tmp_path_factory.mktemp("stack") / "run", Path(), whole=True, **settings).start()
    yield stack
    stack.stop()


@pytest.fixture
def http(stack: NativeStack) -> Iterator[httpx.Client]:
    """A client whose paths start at NGINX."""
    with stack.client() as client:
        yield client


@pytest.fixture
def redis(stack: NativeStack) -> Iterator[Redis]:
    """A client of the Redis that has the records."""
    with stack.redis() as client:
        yield client
