"""What the check of the broker says about RabbitMQ; never with a password."""

import pytest

from project.brokers import broker_for
from project.check import Check
from project.settings import Settings
from tests.rabbitmq.conftest import ATTEMPTS, LIMIT
from tests.support.ports import free_port
from tests.support.rabbitmq import RabbitServer
from tests.support.stack import NativeStack
from tests.support.wait import wait_until


def check(url: str, attempts: int = ATTEMPTS) -> Check:
    """Check a RabbitMQ as a stack with these settings does."""
    return broker_for(Settings(_env_file=None, broker_url=url, queue_limit=LIMIT, max_attempts=attempts)).check()


def test_a_rabbitmq_that_fits_is_ok(rabbit: RabbitServer, stack: NativeStack) -> None:
    """The check reports its version."""
    found = wait_until(lambda: seen if (seen := check(stack.settings["BROKER_URL"])).state == "ok" else None)
    assert found and found.name == "broker"
    assert found.found.startswith("RabbitMQ 3.")


@pytest.mark.parametrize(
    ("change", "found"),
    [("guest:secret@", "refuses the user"), ("nobody:secret@", "refuses the user"), ("", "does not answer")],
)
def test_a_rabbitmq_that_cannot_be_used_is_named(rabbit: RabbitServer, change: str, found: str) -> None:
    """With what to do about it."""
    url = rabbit.url.replace("guest:guest@", change) if change else f"amqp://guest:secret@127.0.0.1:{free_port()}//"
    result = check(url)
    assert result.state == "failed"
    assert found in result.found
    assert "BROKER_URL" in result.cure
    assert "secret" not in str(result)


def test_queues_that_were_made_with_other_limits_are_named(rabbit: RabbitServer, stack: NativeStack) -> None:
    """RabbitMQ does not change the arguments of a queue that is there."""
    wait_until(lambda: "rabbitmqctl delete_queue" in check(stack.settings["BROKER_URL"], attempts=7).cure)


def test_a_frozen_rabbitmq_is_reported_within_the_timeout_of_a_check(rabbit: RabbitServer, stack: NativeStack) -> None:
    """It takes the connection and then says nothing."""
    rabbit.signal_all("STOP")
    try:
        assert check(rabbit.url).found.startswith("RabbitMQ does not answer")
    finally:
        rabbit.signal_all("CONT")
