"""The client that publishes with `.delay()`, which does without redis-py's pool."""

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from redis.exceptions import ConnectionError

from project import redis_clients
from project.settings import Settings
from tests.support.wait import wait_until


@pytest.fixture
def client(settings: Settings) -> Redis:
    """A client with one connection, for which a second thread waits for a tenth of a second."""
    patient = settings.model_copy(update={"redis_timeout": 30.0})
    client = redis_clients.bounded_client(patient, settings.records, 1)
    client.connection_pool.timeout = 0.1  # type: ignore[attr-defined]
    return client


def test_a_connection_that_redis_has_closed_is_replaced(redis: Redis, client: Redis) -> None:
    """As after a restart of Redis, or a pause longer than a firewall keeps connections."""
    sha = redis.script_load("return 1")
    assert client.evalsha(sha, 0) == 1
    redis.client_kill_filter(_type="normal", skipme=True)
    assert client.evalsha(sha, 0) == 1


def test_a_forked_process_opens_connections_of_its_own(redis: Redis, client: Redis) -> None:
    """Two processes on one connection would read each other's answers."""
    sha = redis.script_load("return 1")
    client.evalsha(sha, 0)
    before = redis.info("stats")["total_connections_received"]
    child = multiprocessing.get_context("fork").Process(target=client.evalsha, args=(sha, 0))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert redis.info("stats")["total_connections_received"] == before + 1


def test_a_thread_does_not_wait_for_a_connection_without_end(redis: Redis, client: Redis) -> None:
    """While all are in use, it learns so after the timeout; a connection that is free again is used."""
    sha = redis.script_load("return 1")
    assert client.evalsha(sha, 0) == 1
    with ThreadPoolExecutor(1) as thread:
        redis.client_pause(20_000, all=False)  # which a script waits for, and CLIENT UNPAUSE does not
        try:
            first = thread.submit(client.evalsha, sha, 0)
            wait_until(lambda: client._idle.free._value == 0)  # type: ignore[attr-defined]
            begun = time.monotonic()
            with pytest.raises(ConnectionError, match="in use"):
                client.evalsha(sha, 0)
            assert time.monotonic() - begun >= 0.1
        finally:
            redis.client_unpause()
        assert first.result() == 1
    assert client.evalsha(sha, 0) == 1
