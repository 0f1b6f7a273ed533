"""Failing fast while Redis is away."""

from contextlib import suppress

import pytest
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from project.errors import BrokerUnavailable, UnknownJob
from project.jobs.availability import Availability
from tests.support.wait import wait_until


@pytest.mark.parametrize("error", [ConnectionError, TimeoutError])
def test_redis_errors_become_broker_unavailable(error: type[Exception]) -> None:
    """The first caller sees the real failure, translated."""
    available = Availability(pause=60)
    with pytest.raises(BrokerUnavailable), available():
        raise error


def test_while_redis_is_away_nobody_else_tries() -> None:
    """The second caller is told at once."""
    available = Availability(pause=60)
    with pytest.raises(BrokerUnavailable), available():
        raise TimeoutError
    with pytest.raises(BrokerUnavailable), available():
        pytest.fail("this must not run")


def test_after_the_pause_one_caller_tries_and_opens_the_way_again() -> None:
    """While one probes, others are still told at once; its success ends the outage."""
    available = Availability(pause=0.05)
    with pytest.raises(BrokerUnavailable), available():
        raise TimeoutError
    wait_until(lambda: _succeeds(available))
    assert _succeeds(available)


def test_a_mistake_of_ours_is_not_called_an_outage() -> None:
    """A WRONGTYPE answer means Redis is there."""
    available = Availability(pause=60)
    with pytest.raises(ResponseError), available():
        raise ResponseError("WRONGTYPE")
    assert _succeeds(available)


def test_an_answer_that_is_an_error_ends_the_outage_too() -> None:
    """Redis that knows no such job is back: nobody else is told that it is away."""
    available = Availability(pause=0.05)
    with pytest.raises(BrokerUnavailable), available():
        raise TimeoutError
    wait_until(lambda: _succeeds(available, UnknownJob()))
    assert _succeeds(available)


def _succeeds(available: Availability, answer: Exception | None = None) -> bool:
    """Tell whether Redis is asked; its answer may be an error."""
    try:
        with suppress(UnknownJob), available():
            if answer:
                raise answer
    except BrokerUnavailable:
        return False
    return True
