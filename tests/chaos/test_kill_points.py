"""Kill points: the connection is cut before and after every script call: admit, fetch, renew, finish, hand back."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from celery import Celery
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry

from project.leased_transport import control, records
from tests.chaos import protocol
from tests.chaos.proxy import CuttingProxy
from tests.support.processes import RedisServer
from tests.support.transport_fixtures import StartWorker
from tests.support.wait import wait_until

moments = pytest.mark.parametrize("moment", ["before", "after"])


@pytest.fixture
def cut(server: RedisServer, moment: str) -> Iterator[Redis]:
    """A client that loses its connection in its first script call, at *moment*; later calls pass."""
    protocol.fetch(server.client)  # so that client and server know the scripts
    seen: list[int] = []

    def plan(number: int, data: bytes) -> str | None:
        if b"EVAL" in data:
            seen.append(number)
        return moment if seen == [number] else None

    with CuttingProxy(server.port, plan) as proxy:
        yield Redis(port=proxy.port, retry=Retry(NoBackoff(), 0), socket_timeout=5)


@moments
def test_a_cut_admission_is_all_or_nothing_and_its_retry_is_accepted_once(
    cut: Redis, redis: Redis, moment: str
) -> None:
    """The job is unknown or fully admitted; a retry of the call leaves exactly one waiting job."""
    with pytest.raises(ConnectionError):
        protocol.admit(cut, "a", "n1")
    known = records.read(redis, "a") is not None
    assert (known, protocol.places(redis, "a")) == ((False, []) if moment == "before" else (True, ["waiting"]))
    assert protocol.admit(cut, "a", "n1") == "OK"
    assert protocol.places(redis, "a") == ["waiting"]
    assert protocol.admit(cut, "a", "n2") == "EXISTS"


@moments
def test_a_cut_fetch_leaves_the_job_waiting_or_leased(cut: Redis, redis: Redis, moment: str) -> None:
    """The job still waits, or it has a lease that no consumer knows of, until that expires."""
    protocol.admit(redis, "a", "n")
    with pytest.raises(ConnectionError):
        protocol.fetch(cut)
    assert protocol.places(redis, "a") == (["waiting"] if moment == "before" else ["leased"])
    protocol.expire(redis, "a")
    protocol.renew_and_reap(redis)
    assert [job.id for job in protocol.fetch(cut)] == ["a"]


@moments
def test_a_cut_renewal_keeps_the_lease(cut: Redis, redis: Redis, moment: str) -> None:
    """The lease is unchanged or renewed; the job has one owner in both cases."""
    protocol.admit(redis, "a", "n")
    (job,) = protocol.fetch(redis, lease=30)
    with pytest.raises(ConnectionError):
        protocol.renew_and_reap(cut, "renew", job)
    left = float(redis.zscore("leases:celery", "a") or 0) - time.time()
    assert left < 31 if moment == "before" else left > 31
    assert protocol.renew_and_reap(cut, "renew", job) == []
    assert protocol.finish(redis, job)


@moments
def test_a_cut_end_is_all_or_nothing_and_its_retry_changes_nothing(cut: Redis, redis: Redis, moment: str) -> None:
    """The job is still leased, or has ended with a result and without a lease; a retry gives the same record."""
    protocol.admit(redis, "a", "n")
    (job,) = protocol.fetch(redis)
    with pytest.raises(ConnectionError):
        protocol.finish(cut, job)
    assert protocol.places(redis, "a") == (["leased"] if moment == "before" else [])
    before = records.read(redis, "a")
    assert protocol.finish(cut, job)
    after = records.read(redis, "a")
    assert after is not None and (after["status"], after["result"]) == ("SUCCESS", "1")
    assert moment == "before" or after == before


@moments
def test_a_cut_return_puts_the_job_back_once(cut: Redis, redis: Redis, moment: str) -> None:
    """Handing back twice, because the first answer was lost, leaves one waiting job."""
    protocol.admit(redis, "a", "n")
    (job,) = protocol.fetch(redis)
    with pytest.raises(ConnectionError):
        protocol.renew_and_reap(cut, "return", job)
    assert protocol.places(redis, "a") == (["leased"] if moment == "before" else ["waiting"])
    protocol.renew_and_reap(cut, "return", job)
    assert protocol.places(redis, "a") == ["waiting"]
    assert [job.id for job in protocol.fetch(redis, 2)] == ["a"]


@moments
def test_a_cut_cancel_is_all_or_nothing(cut: Redis, redis: Redis, moment: str) -> None:
    """The job still waits, or is revoked and never fetched."""
    protocol.admit(redis, "a", "n")
    with pytest.raises(ConnectionError):
        control.cancel_or_collect(cut, "a")
    control.cancel_or_collect(cut, "a")
    assert records.read(redis, "a")["status"] == "REVOKED"  # type: ignore[index]
    assert protocol.fetch(redis) == []


@moments
@pytest.mark.parametrize("pool", ["solo", "prefork", "forked", "threads"])
def test_a_worker_behind_a_breaking_line_loses_no_job(
    app: Celery, server: RedisServer, redis: Redis, workers: StartWorker, pool: str, moment: str
) -> None:
    """With every 47th of a real worker's commands cut, all jobs end in SUCCESS with the right result."""
    jobs: list[Any] = []
    with CuttingProxy(server.port, lambda n, _: moment if n > 60 and n % 47 == 0 else None) as proxy:
        workers("one", pool, 2 if pool != "solo" else 1, url=f"redis://127.0.0.1:{proxy.port}/0", lease=0.5)
        while proxy.cuts < 3:  # a solo worker needs few commands for many jobs
            jobs += [app.tasks["add"].delay(number, 1) for number in range(len(jobs), len(jobs) + 20)]
            wait_until(partial(_all_ended, app, jobs))
    assert [app.AsyncResult(job.id).result for job in jobs] == list(range(1, len(jobs) + 1))


def _all_ended(app: Celery, jobs: list[Any]) -> bool:
    return all(app.AsyncResult(job.id).ready() for job in jobs)
