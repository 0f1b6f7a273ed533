"""The ledger, without a worker around it: what a process holds."""

import pytest
from redis import Redis

from project.broker.ledger import Ledger, Options
from tests.chaos import protocol


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    """A ledger that looks after its leases when it is told to."""
    return Ledger(redis, Options(), queues=[protocol.QUEUE])


def _take(ledger: Ledger, redis: Redis) -> None:
    (job,) = protocol.take(redis)
    ledger.hold(job.id, job.token, protocol.QUEUE)


def test_a_job_taken_again_by_who_lost_it_is_held_by_its_new_lease(ledger: Ledger, redis: Redis) -> None:
    """The verdict on the old lease is none on the new one."""
    protocol.admit(redis, "a", "n")
    _take(ledger, redis)
    protocol.expire(redis, "a")
    protocol.tend(redis)
    _take(ledger, redis)
    ledger.tend()
    assert ledger.held.keys() == {"2:a"}
    assert protocol.places(redis, "a") == ["leased"]
