"""The lease keeper without a worker: the leases of a process, and the thread that renews them."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import DataError

from project.leased_transport import control, keys
from project.leased_transport.lease_keeper import LeaseKeeper, Options
from tests.chaos import protocol
from tests.chaos.protocol import Fetched
from tests.support.wait import wait_until


@pytest.fixture
def keeper(redis: Redis) -> Iterator[LeaseKeeper]:
    """A keeper that renews its leases when the test calls it."""
    before = set(threading.enumerate())
    keeper = LeaseKeeper("test")
    keeper.reap_from([protocol.QUEUE])
    keeper.connect(redis, Options())
    yield keeper
    keeper.close()
    for thread in set(threading.enumerate()) - before:  # the next test reads the log, too
        thread.join(5)


def _fetch(keeper: LeaseKeeper, redis: Redis) -> None:
    (job,) = protocol.fetch(redis, lease=0.3)
    keeper.add(job.id, job.token, protocol.QUEUE)


def test_a_job_fetched_again_by_the_consumer_that_lost_it_is_held_by_its_new_lease(
    keeper: LeaseKeeper, redis: Redis
) -> None:
    """The loss of the old lease does not concern the new one."""
    protocol.admit(redis, "a", "n")
    _fetch(keeper, redis)
    protocol.expire(redis, "a")
    protocol.renew_and_reap(redis)
    _fetch(keeper, redis)
    keeper.renew_and_reap()
    assert [lease.tag for lease in keeper.leases] == ["2:a"]
    assert protocol.places(redis, "a") == ["leased"]


@pytest.mark.parametrize("value", [True, None, "\udcff"])
def test_an_ending_that_cannot_be_written_is_refused_at_once(keeper: LeaseKeeper, redis: Redis, value: Any) -> None:
    """It holds no other ending up, and the job can still end in another way."""
    for job_id in ("a", "b"):
        protocol.admit(redis, job_id, "n")
        _fetch(keeper, redis)
    with pytest.raises((DataError, UnicodeEncodeError)):
        keeper.end("a", 1, "SUCCESS", ["result", value])
    for job_id in ("a", "b"):
        assert keeper.end(job_id, 1, "SUCCESS", ["result", "1"])
        keeper.release(f"1:{job_id}")
    keeper.flush()
    assert [redis.hget(keys.job(job_id), "status") for job_id in ("a", "b")] == [b"SUCCESS"] * 2


@pytest.mark.parametrize("how", ["ended", "retried", "revoked", "forgotten"])
def test_a_lease_that_was_given_up_is_not_reported_as_lost(
    keeper: LeaseKeeper, redis: Redis, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """A pool process ends or retries its job, or a client revokes it, before the consumer's main process knows."""
    protocol.admit(redis, "a", "n")
    _fetch(keeper, redis)
    if how == "retried":
        assert protocol.admit(redis, "a", "n2", token=1) == "OK"
        (_again,) = protocol.fetch(redis)
    elif how == "revoked":
        control.cancel_or_collect(redis, "a")
    else:
        protocol.finish(redis, Fetched("a", 1))
        if how == "forgotten":
            control.cancel_or_collect(redis, "a")
    keeper.renew_and_reap()
    assert caplog.text == ""


def test_a_lease_that_ran_out_is_reported_as_lost(
    keeper: LeaseKeeper, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the job."""
    protocol.admit(redis, "a", "n")
    _fetch(keeper, redis)
    protocol.expire(redis, "a")
    protocol.renew_and_reap(redis)
    keeper.renew_and_reap()
    assert "lost the lease of job_id=a" in caplog.text


def test_an_overwritten_record_harms_no_other_job_of_its_consumer(keeper: LeaseKeeper, redis: Redis) -> None:
    """The other leases are renewed, and the other results are written."""
    for job_id in ("overwritten", "good"):
        protocol.admit(redis, job_id, "n")
        _fetch(keeper, redis)
    redis.delete(keys.job("overwritten"))
    redis.set(keys.job("overwritten"), "no record")
    before = redis.zscore(keys.leases(protocol.QUEUE), "good")
    keeper.renew_and_reap()
    assert redis.zscore(keys.leases(protocol.QUEUE), "good") > before  # type: ignore[operator]
    for job_id in ("overwritten", "good"):
        assert keeper.end(job_id, 1, "SUCCESS", ["result", "1"])
        keeper.release(f"1:{job_id}")
    keeper.flush()
    assert (redis.get(keys.job("overwritten")), redis.hget(keys.job("good"), "status")) == (b"no record", b"SUCCESS")


@pytest.mark.parametrize("how", ["overwritten", "an attempt that is no number"])
def test_a_damaged_record_holds_up_no_other_expired_lease(keeper: LeaseKeeper, redis: Redis, how: str) -> None:
    """A job whose record can still be written fails with the reason; the others return to their queues."""
    for job_id in ("a", "b"):
        protocol.admit(redis, job_id, "n")
        protocol.fetch(redis)
        protocol.expire(redis, job_id)
    if how == "overwritten":
        redis.delete(keys.job("a"))
        redis.set(keys.job("a"), "no record")
    else:
        redis.hset(keys.job("a"), "deaths", "x")
    redis.set(keys.leases("another"), "no sorted set")
    keeper.reap_from(["another", protocol.QUEUE])
    keeper.renew_and_reap()
    assert (protocol.places(redis, "a"), protocol.places(redis, "b")) == ([], ["waiting"])
    if how != "overwritten":
        status, error = redis.hmget(keys.job("a"), "status", "error")
        assert status == b"FAILURE" and b"its record is damaged" in (error or b"")


def test_many_large_results_are_written_in_several_steps(keeper: LeaseKeeper, redis: Redis) -> None:
    """In one step they could block Redis for longer than the timeouts of its clients."""
    ids = [f"large-{number}" for number in range(5)]
    for job_id in ids:
        protocol.admit(redis, job_id, "n")
        _fetch(keeper, redis)
        keeper.end(job_id, 1, "SUCCESS", ["result", "x" * 2**20])
        keeper.release(f"1:{job_id}")
    redis.config_resetstat()
    keeper.flush()
    assert {redis.hget(keys.job(job_id), "status") for job_id in ids} == {b"SUCCESS"}
    assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] == len(ids)


def test_a_job_that_ended_during_an_outage_is_not_reaped(keeper: LeaseKeeper, redis: Redis) -> None:
    """Its lease has expired in the meantime, but its ending is written first."""
    protocol.admit(redis, "a", "n")
    _fetch(keeper, redis)
    keeper.end("a", 1, "SUCCESS", ["result", "1"])
    keeper.release("1:a")
    protocol.expire(redis, "a")
    keeper.open(redis, Options(max_attempts=1))
    wait_until(lambda: redis.zcard(keys.leases(protocol.QUEUE)) == 0)
    keeper.close()
    assert redis.hmget(keys.job("a"), "status", "deaths") == [b"SUCCESS", None]
