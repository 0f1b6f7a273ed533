"""What `make doctor` finds about announced tasks."""

import json
from collections.abc import Iterator

import pytest
from celery import Celery
from redis import Redis

from project.cards import store
from project.celery_config.app import create_celery_app
from project.health import announced_check, queue_check
from project.leased_transport import keys
from project.settings import Settings
from tests.support.cards import announce, card


@pytest.fixture
def app(settings: Settings) -> Iterator[Celery]:
    """The app as the doctor has it."""
    app = create_celery_app(settings)
    yield app
    app.close()


def _consumer(redis: Redis, name: str, queues: list[str], tasks: list[str]) -> None:
    redis.sadd(keys.CONSUMERS, name)
    described = {"name": name, "pool": "solo", "slots": 1, "queues": queues, "tasks": tasks}
    redis.set(keys.consumer(name), json.dumps(described))


def test_announced_tasks_without_faults_are_counted(app: Celery, redis: Redis, settings: Settings) -> None:
    """Nothing is wrong with a task whose code is elsewhere."""
    announce(redis, card())
    found = announced_check.check(settings)
    assert (found.state, found.found) == ("ok", "announced by consumers, without code here: 1")


def test_contradicting_and_broken_cards_are_named(app: Celery, redis: Redis, settings: Settings) -> None:
    """Each with its reason."""
    announce(redis, card(summary="one"), card(summary="two", version="2027-01-01T00:00:00Z-00000001"), card("sum"))
    store.announce(redis, ['{"name": "x"}'], 60)
    found = announced_check.check(settings)
    assert found.state == "warning"
    assert "/pack: consumers announce different tasks: version 2027-01-01T00:00:00Z-00000001 is used" in found.found
    assert "/sum: the code here differs from what consumers announce" in found.found
    assert "cannot be used: route: Field required" in found.found


def test_a_consumer_that_would_fail_the_jobs_of_an_announced_task_is_named(
    app: Celery, redis: Redis, settings: Settings
) -> None:
    """It serves the queue and does not have the code."""
    announce(redis, card(queue="default"))
    _consumer(redis, "right@here", ["default"], ["divide", "pack"])
    _consumer(redis, "wrong@here", ["default"], ["divide"])
    found = announced_check.check(settings).found
    assert found == "wrong@here serves queue default without the code of pack, whose jobs would fail"


def test_a_queue_of_announced_tasks_without_consumers_is_a_warning(
    app: Celery, redis: Redis, settings: Settings
) -> None:
    """The stack itself is whole, and its probes stay green."""
    announce(redis, card())
    _consumer(redis, "all@here", ["cpu", "default", "maintenance", "notifications"], [])
    found = queue_check.check(settings)
    assert (found.state, found.found) == (
        "warning",
        "consumers of cpu: 1, default: 1, maintenance: 1, notifications: 1, shop: 0",
    )
    assert found.cure == "start a consumer for shop, or wait until the cards of its tasks expire (CARD_TTL)"
