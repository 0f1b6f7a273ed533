"""A native stack on RabbitMQ."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.rabbitmq import RabbitServer
from tests.support.stack import NativeStack

LIMIT = 5  # jobs that a queue may hold
ATTEMPTS = 2


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, rabbit: RabbitServer) -> Iterator[NativeStack]:
    """A stack with one consumer of one slot, small queues and little patience with poison jobs."""
    settings: dict[str, Any] = {
        "BROKER_URL": rabbit.own_url(),
        "FLOWER_BROKER_API": rabbit.management_url,
        "CONSUMER_SLOTS": 1,
        "QUEUE_LIMIT": LIMIT,
        "MAX_ATTEMPTS": ATTEMPTS,
        "SHUTDOWN_TIMEOUT": 1,
        "NOTIFICATION_CONSUMERS": 0,
        "MAINTENANCE_CONSUMERS": 0,
    }
    with NativeStack(tmp_path_factory.mktemp("stack") / "run", whole=True, **settings) as stack:
        yield stack
