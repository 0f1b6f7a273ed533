"""One class per kind of broker, chosen once by the URL."""

import re
from pathlib import Path

import pytest

from project.brokers import Broker, broker_for
from project.brokers.leased import LeasedBroker
from project.brokers.rabbitmq import RabbitMQBroker
from project.brokers.stock import StockBroker
from project.settings import Settings

FILES_THAT_KNOW = ("project/brokers/", "project/settings.py", "project/setting_types.py")


def _broker(url: str) -> Broker:
    return broker_for(Settings(_env_file=None, broker_url=url))


@pytest.mark.parametrize(
    ("url", "chosen"),
    [
        ("", LeasedBroker),
        ("redis://redis:6379/0", LeasedBroker),
        ("rediss://redis:6379/0", LeasedBroker),
        ("redis+stock://redis:6379/0", StockBroker),
        ("amqp://rabbitmq//", RabbitMQBroker),
        ("amqps://rabbitmq//", RabbitMQBroker),
    ],
)
def test_the_scheme_of_broker_url_chooses_the_class(url: str, chosen: type[Broker]) -> None:
    """Without a URL the stack's own Redis is the leased broker."""
    assert type(_broker(url)) is chosen


def test_the_visibility_timeout_of_the_stock_transport_comes_from_its_url() -> None:
    """Celery gets it as an option, because it refuses unknown parameters of a URL."""
    broker = _broker("redis+stock://redis:6379/0?visibility_timeout=6")
    assert broker.url == "redis://redis:6379/0"
    options = broker.celery_options()["broker_transport_options"]
    assert (options["visibility_timeout"], options["unacked_restore_interval"]) == (6, 1)
    assert (
        "visibility_timeout" not in _broker("redis+stock://redis:6379/0").celery_options()["broker_transport_options"]
    )


def test_no_other_package_asks_which_broker_it_is() -> None:
    """A difference between brokers is a method or an attribute of their classes."""
    question = re.compile(
        r"broker_kind|broker\.kind [=!]=|broker(_url)?\.(startswith|partition)|isinstance\(.*Broker\b"
    )
    modules = [path for path in Path("project").rglob("*.py") if not str(path).startswith(FILES_THAT_KNOW)]
    assert [str(path) for path in modules if question.search(path.read_text())] == []


@pytest.mark.parametrize(
    ("broker_url", "expected"),
    [
        ("amqp://rabbitmq//", "http://rabbitmq:15672/api/"),
        ("amqp://ann:p%40%2F%20%C3%A4@rabbitmq:5672//", "http://rabbitmq:15672/api/"),
        ("amqps://ann:x@[::1]:5671/host", "http://[::1]:15672/api/"),
    ],
)
def test_the_management_api_of_rabbitmq_is_found(broker_url: str, expected: str) -> None:
    """The URL has no password, because Flower would send it percent-encoded."""
    assert _broker(broker_url).management_api == expected
