"""Failing fast while Redis is away."""

import re
from contextlib import suppress

import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
)

from project.brokers.rabbitmq import PublishersBlocked
from project.errors import BrokerUnavailable, DamagedKey, UnknownJob, WritesRefused
from project.jobs.circuit_breaker import CircuitBreaker, is_for_good
from tests.support.wait import wait_until


@pytest.mark.parametrize("error", [ConnectionError, TimeoutError])
def test_redis_errors_become_broker_unavailable(error: type[Exception]) -> None:
    """The first caller sees the real failure, translated."""
    available = CircuitBreaker(pause=60)
    with pytest.raises(BrokerUnavailable), available():
        raise error


def test_an_open_circuit_fails_other_callers_at_once() -> None:
    """The second caller gets the error immediately."""
    available = CircuitBreaker(pause=60)
    with pytest.raises(BrokerUnavailable), available():
        raise TimeoutError
    with pytest.raises(BrokerUnavailable), available():
        pytest.fail("this must not run")


def test_after_the_pause_one_caller_probes_and_its_success_closes_the_circuit() -> None:
    """While one caller probes Redis, the others still fail immediately."""
    available = CircuitBreaker(pause=0.05)
    with pytest.raises(BrokerUnavailable), available():
        raise TimeoutError
    wait_until(lambda: _succeeds(available))
    assert _succeeds(available)


def test_a_damaged_key_does_not_open_the_circuit() -> None:
    """A WRONGTYPE answer means that Redis is available; the error names the key if the script does."""
    available = CircuitBreaker(pause=60)
    with pytest.raises(DamagedKey, match="a key in Redis that this needs"), available():
        raise ResponseError("WRONGTYPE")
    with pytest.raises(DamagedKey, match="the key 'cpu' in Redis; delete it"), available():
        raise ResponseError("WRONGTYPE another program has overwritten the key cpu script: 1, on @user_script:1.")
    assert _succeeds(available)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), True),
        (ResponseError("value is not an integer or out of range script: on @user_script:1."), True),
        (ResponseError("user_script:1: attempt to compare nil with number script: on @user_script:1."), True),
        (ResponseError("ACL failure in script: No permissions to access a key script: on @user_script:1."), False),
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'. script: on @user_script:1."), False),
        (ReadOnlyError("You can't write against a read only replica. script: on @user_script:1."), False),
        (ResponseError("unknown command"), False),
        (TimeoutError("Timeout reading from socket"), False),
        (BrokerUnavailable("Redis does not answer"), False),
    ],
)
def test_only_keys_that_are_damaged_make_a_job_impossible(error: Exception, expected: bool) -> None:
    """Not an outage, and not what the operator of Redis can mend: then the job can be stored later."""
    assert is_for_good(error) is expected


OOM = "command not allowed when used memory > 'maxmemory'."


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OutOfMemoryError(OOM), "out of memory (maxmemory)"),
        (OutOfMemoryError(f"{OOM} script: on @user_script:1."), "out of memory (maxmemory)"),
        (ResponseError(f"Error running script (call to f_1): @user_script:1: -OOM {OOM}"), "out of memory (maxmemory)"),
        (ReadOnlyError("You can't write against a read only replica."), "read-only replica"),
        (ConnectionError("-READONLY You can't write against a read only replica."), "read-only replica"),
        (ConnectionError("MISCONF Errors writing to the AOF file"), "cannot write to its disk"),
        (ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), "cannot write to its disk"),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), "too few replicas"),
    ],
)
@pytest.mark.parametrize("by_kombu", [False, True])
def test_a_refused_write_is_no_outage_and_says_why(error: Exception, expected: str, by_kombu: bool) -> None:
    """In the words of Redis 6.2, of Redis 7 and Valkey, in and outside of scripts: reading goes on."""
    available = CircuitBreaker(pause=60)
    raised: Exception = error
    if by_kombu:
        raised = OperationalError(str(error))
        raised.__cause__ = error
    with pytest.raises(WritesRefused, match=re.escape(expected)), available():
        raise raised
    assert _succeeds(available)


@pytest.mark.parametrize("error", [BusyLoadingError("loading"), ResponseError("BUSY Redis is busy running a script.")])
def test_a_busy_redis_opens_the_circuit(error: Exception) -> None:
    """Another request right away would fail too."""
    available = CircuitBreaker(pause=60)
    with pytest.raises(BrokerUnavailable), available():
        raise OperationalError(str(error)) from error
    assert not _succeeds(available)


def test_an_open_circuit_rejects_publishing_at_once_while_rabbitmq_blocks_publishers() -> None:
    """The others get the reason immediately."""
    available = CircuitBreaker(pause=60)
    for error in (PublishersBlocked(), AssertionError("this must not run")):
        with pytest.raises(BrokerUnavailable, match="low on memory or disk"), available():
            raise error


def test_an_answer_that_is_an_error_ends_the_outage_too() -> None:
    """A Redis that answers "no such job" is available again, so later callers reach it."""
    available = CircuitBreaker(pause=0.05)
    with pytest.raises(BrokerUnavailable), available():
        raise TimeoutError
    wait_until(lambda: _succeeds(available, UnknownJob()))
    assert _succeeds(available)


def _succeeds(available: CircuitBreaker, answer: Exception | None = None) -> bool:
    """Tell whether the circuit lets a call through; the answer may be an error."""
    try:
        with suppress(UnknownJob), available():
            if answer:
                raise answer
    except BrokerUnavailable:
        return False
    return True
