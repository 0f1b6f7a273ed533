"""The ledger, without a worker around it: what a process holds, and the thread that looks after it."""

from collections.abc import Iterator

import pytest
from redis import Redis

from project.leased_transport import control
from project.leased_transport.lease_keeper import LeaseKeeper, Options
from tests.chaos import protocol
from tests.chaos.protocol import Fetched
from tests.support.wait import wait_until


@pytest.fixture
def ledger(redis: Redis) -> Iterator[LeaseKeeper]:
    """A ledger that looks after its leases when it is told to."""
    ledger = LeaseKeeper(redis, Options(), queues=[protocol.QUEUE])
    yield ledger
    ledger.stopping = True


def _fetch(ledger: LeaseKeeper, redis: Redis) -> None:
    (job,) = protocol.fetch(redis, lease=0.3)
    ledger.hold(job.id, job.token, protocol.QUEUE)


def _due(redis: Redis) -> float:
    return float(redis.zscore("leases:celery", "a") or 0)


def test_a_job_fetched_again_by_the_consumer_that_lost_it_is_held_by_its_new_lease(
    ledger: LeaseKeeper, redis: Redis
) -> None:
    """The verdict on the old lease is none on the new one."""
    protocol.admit(redis, "a", "n")
    _fetch(ledger, redis)
    protocol.expire(redis, "a")
    protocol.renew_and_reap(redis)
    _fetch(ledger, redis)
    ledger.renew_and_reap()
    assert ledger.held.keys() == {"2:a"}
    assert protocol.places(redis, "a") == ["leased"]


def test_an_ending_that_cannot_be_written_stops_no_renewal(
    ledger: LeaseKeeper, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The thread says what is wrong, with its traceback, and goes on."""
    ledger.open(redis, Options(lease=0.3))
    protocol.admit(redis, "a", "n")
    _fetch(ledger, redis)
    ledger.end("a", 1, "STARTED", ["progress", "\udcff"])
    wait_until(lambda: "Traceback" in caplog.text and "UnicodeEncodeError" in caplog.text)
    due = _due(redis)
    wait_until(lambda: _due(redis) > due)


@pytest.mark.parametrize("how", ["ended", "retried", "revoked", "forgotten"])
def test_a_lease_that_was_given_up_is_not_reported_as_lost(
    ledger: LeaseKeeper, redis: Redis, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """A pool child ends or retries its job, or a client revokes it, before the consumer's main process hears of it."""
    protocol.admit(redis, "a", "n")
    _fetch(ledger, redis)
    if how == "retried":
        assert protocol.admit(redis, "a", "n2", token=1) == "OK"
        (_again,) = protocol.fetch(redis)
    elif how == "revoked":
        control.cancel_or_collect(redis, "a")
    else:
        protocol.finish(redis, Fetched("a", 1))
        if how == "forgotten":
            control.cancel_or_collect(redis, "a")
    ledger.renew_and_reap()
    assert caplog.text == ""


def test_a_lease_that_ran_out_is_reported_as_lost(
    ledger: LeaseKeeper, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether the job waits again or runs elsewhere by now."""
    protocol.admit(redis, "a", "n")
    _fetch(ledger, redis)
    protocol.expire(redis, "a")
    protocol.renew_and_reap(redis)
    ledger.renew_and_reap()
    assert "lost the lease of job_id=a" in caplog.text
