"""What Flower is told."""

import pytest

from project.brokers import broker_for
from project.settings import Settings


@pytest.mark.parametrize(
    ("broker_url", "expected"),
    [
        ("amqp://rabbitmq//", "http://rabbitmq:15672/api/"),
        ("amqp://ann:p%40%2F%20%C3%A4@rabbitmq:5672//", "http://rabbitmq:15672/api/"),
        ("amqps://ann:x@[::1]:5671/host", "http://[::1]:15672/api/"),
    ],
)
def test_the_management_api_of_rabbitmq_is_found(broker_url: str, expected: str) -> None:
    """Its URL has no password: Flower would send a quoted one as it stands there."""
    assert broker_for(Settings(_env_file=None, broker_url=broker_url)).management_api == expected
