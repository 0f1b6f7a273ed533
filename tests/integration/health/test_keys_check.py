"""What `make doctor` finds about keys that another program has overwritten."""

from collections.abc import Iterator

import pytest
from celery import Celery
from redis import Redis

from project.celery_config.app import create_celery_app
from project.health import announced_check, keys_check, queue_check
from project.settings import Settings


@pytest.fixture(autouse=True)
def app(settings: Settings) -> Iterator[Celery]:
    """The app as the doctor has it."""
    app = create_celery_app(settings)
    yield app
    app.close()


@pytest.mark.parametrize("key", ["cpu", "bell:default", "counts:cpu", "delayed:cpu", "jobs:recent", "taken"])
def test_an_overwritten_key_is_named(redis: Redis, settings: Settings, key: str) -> None:
    """Whole keys, and those that are not there, are in order."""
    redis.zadd("leases:cpu", {"a": 1})
    assert keys_check.check(settings).state == "ok"
    redis.delete(key)
    redis.set(key, "x")
    found = keys_check.check(settings)
    assert (found.state, found.found) == ("failed", f"another program has overwritten {key!r}")


def test_a_check_that_needs_the_key_says_so(redis: Redis, settings: Settings) -> None:
    """It does not blame a Redis that answers."""
    redis.set("consumers", "x")
    for check in (queue_check.check, announced_check.check):
        assert check(settings).found == "unknown: consumers is overwritten"
