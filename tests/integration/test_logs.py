"""LOG_LEVEL: how much the producer prints."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.support.ports import free_port
from tests.support.producer import Producer
from tests.support.wait import wait_until
from tests.support.webhook import Webhook


@pytest.fixture
def receiver() -> Iterator[str]:
    """A receiver of notifications with a secret address."""
    server = Webhook([204])
    yield f"http://127.0.0.1:{server.port}/canary"
    server.stop()


@pytest.mark.parametrize(("level", "seen"), [("DEBUG", 3), ("WARNING", 1)])
def test_the_producer_prints_what_log_level_says(
    redis: Redis, tmp_path: Path, receiver: str, level: str, seen: int
) -> None:
    """Its own lines look like a consumer's; no line shows an address that a check has requested."""
    redis.flushall()
    port = redis.connection_pool.connection_kwargs["port"]
    producer = Producer(tmp_path, port, log_level=level, notify_url=receiver, smtp_port=free_port())
    redis.lpush("inbox", "no message")
    try:
        wait_until(lambda: redis.llen("inbox:rejected"), what="the message is rejected")
        with producer.client() as http:
            wait_until(lambda: _has_checked(http), what="the producer answers")
    finally:
        producer.stop()
    log = producer.log.read_text()
    lines = (" WARNING project.inbox.redis_list: rejected a message", "Application startup complete", " DEBUG ")
    assert [line in log for line in lines] == [number < seen for number in range(3)]
    assert "canary" not in log


def _has_checked(http: httpx.Client) -> bool:
    try:
        return "SMTP" in http.get("/producer/health/ready", params={"deep": 1}).json()["detail"]
    except httpx.TransportError:
        return False
