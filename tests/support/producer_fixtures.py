"""Fixtures of the tests that start producers: a Redis of the module's own, and producers on it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.inbox import LIMIT
from tests.support.processes import RedisServer
from tests.support.producer import Producer, StartProducer


@pytest.fixture(scope="module")
def start(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartProducer]:
    """Start producers on the module's Redis; all are killed at the end."""
    folder, running = tmp_path_factory.mktemp("producers"), []

    def start(port: int = server.port, **settings: object) -> Producer:
        running.append(Producer(folder, port, **settings).ready())
        return running[-1]

    yield start
    for producer in running:
        producer.kill()


@pytest.fixture(scope="module")
def producer(start: StartProducer) -> Producer:
    """A producer with a limit of five jobs per queue."""
    return start(queue_limit=LIMIT)


@pytest.fixture
def redis(server: RedisServer, producer: Producer) -> Any:
    """The Redis that the producer reads, empty."""
    server.client.flushall()
    return server.client
