"""Every job that was accepted succeeds although processes are killed all the time; `make chaos` runs the long form."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from project.job_models import ENDED
from project.leased_transport import keys
from tests.chaos.storm import Clients, Killer, Submitted
from tests.support.http import finished, submit
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

pytestmark = pytest.mark.heavy

LEASE = 2  # seconds
QUEUES = ("cpu", "default")
FIELDS = ("task", "status", "result", "token", "returned", "request", "queued")
RECOVERY = 30  # seconds from the last kill until jobs end again, and at most between two that end


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the short form with appendfsync `always`, which loses nothing on a slow disk, and the long form with both."""
    long = metafunc.config.getoption("storm_jobs") > 2000
    metafunc.parametrize("stack", ["everysec", "always"] if long else ["always"], indirect=True)


@pytest.fixture
def stack(
    request: pytest.FixtureRequest, tmp_path: Path, broker: Callable[[], dict[str, Any]]
) -> Iterator[NativeStack]:
    """A stack with short leases, and with enough attempts that the kills do not make a job poison."""
    settings: dict[str, Any] = {"CONSUMERS": 2, "LEASE": LEASE, "MAX_ATTEMPTS": 50, "REDIS_APPENDFSYNC": request.param}
    with NativeStack(tmp_path / "run", **settings, **broker()) as stack:
        yield stack


@pytest.fixture
def redis(stack: NativeStack) -> Iterator[Redis]:
    """A client of the stack's Redis; in this folder `redis` is otherwise that of the transport's tests."""
    with stack.redis() as client:
        yield client


@pytest.mark.timeout(4 * 60 * 60)
def test_every_accepted_job_ends_well_while_everything_is_killed(
    stack: NativeStack, redis: Redis, request: pytest.FixtureRequest
) -> None:
    """No job is lost or wrong, nothing is left in Redis, and all consumers work again."""
    jobs, seed = (request.config.getoption(name) for name in ("storm_jobs", "storm_seed"))
    rabbit = request.getfixturevalue("rabbit") if "BROKER_URL" in stack.settings else None
    begun = time.monotonic()
    with Killer(stack, seed, rabbit) as killer:
        clients = Clients(stack.url, jobs, seed, killer).run()
    calm = time.monotonic()
    try:
        _work_off(redis)
    finally:
        known = _records(redis)
        _report(seed, clients, killer, known, f"{calm - begun:.1f} s, and {time.monotonic() - calm:.1f} s")
    assert clients.unexpected == []
    assert killer.done
    assert {job_id: record for job_id, record in known.items() if record["status"] != "SUCCESS"} == {}
    assert [job for job in clients.accepted if not _right(job, known.get(job.job_id))] == []
    _assert_everybody_works(stack)


def _work_off(redis: Redis) -> None:
    """Wait until all jobs have ended and nothing is left.

    There is no limit for the whole, which depends on the machine, but jobs must keep ending.
    """
    ended = -1
    while not _nothing_left(redis):
        ended = wait_until(partial(_more_ended, redis, ended), RECOVERY, "more jobs have ended")
    wait_until(lambda: _all_ended(redis), RECOVERY, "all jobs have ended")


def _more_ended(redis: Redis, before: int) -> int:
    """Return how many jobs have ended, or 0 if those are no more than before and some are left."""
    try:
        ended = sum(record["status"] in ENDED for record in _records(redis).values())
        return ended if ended > before or _nothing_left(redis) else 0
    except RedisError:  # Redis is being restarted
        return 0


def _nothing_left(redis: Redis) -> bool:
    """Return whether queues, delayed jobs and leases are all empty."""
    emptied = [key for queue in QUEUES for key in (*keys.waiting(queue), keys.leases(queue), keys.delayed(queue))]
    try:
        return redis.exists(*emptied) == 0
    except RedisError:  # Redis is being restarted
        return False


def _all_ended(redis: Redis) -> bool:
    """Return whether all jobs have ended, also those in the queues of RabbitMQ."""
    return all(record["status"] in ENDED for record in _records(redis).values())


def _records(redis: Redis) -> dict[str, dict[str, str]]:
    """Return the records of all jobs in Redis, also of those with a lost 202 answer.

    Leaves out records whose sender was killed before RabbitMQ had the message: they are no jobs, and expire.
    """
    names = list(redis.scan_iter("job:*", count=1000))
    with redis.pipeline(transaction=False) as pipeline:
        for key in names:
            pipeline.hmget(key, FIELDS)
        rows = pipeline.execute()
    decoded = ([(value or b"").decode() for value in row] for row in rows)
    found = {key.decode()[4:]: dict(zip(FIELDS, row, strict=True)) for key, row in zip(names, decoded, strict=True)}
    return {job_id: record for job_id, record in found.items() if not _is_only_a_plan(record)}


def _is_only_a_plan(record: dict[str, str]) -> bool:
    return record["status"] == "PENDING" and bool(record["request"]) and not record["queued"]


def _right(job: Submitted, record: dict[str, str] | None) -> bool:
    """Return whether a job is known and has the right result."""
    return record is not None and record["task"] == job.task and json.loads(record["result"] or "null") == job.result


def _assert_everybody_works(stack: NativeStack) -> None:
    """Check over HTTP that both consumers run jobs again."""

    def workers() -> set[str]:
        ids = [submit(http, "wait_and_return", seconds=0.2) for _ in range(8)]
        return {finished(http, "wait_and_return", job_id)["consumer"].partition("@")[0] for job_id in ids}

    with stack.client() as http:
        wait_until(lambda: http.get("/producer/health/ready").status_code == 200, RECOVERY)
        wait_until(lambda: workers() == {"consumer.1", "consumer.2"}, RECOVERY)


def _report(seed: int, clients: Clients, killer: Killer, known: dict[str, dict[str, str]], duration: str) -> None:
    """Print a summary, also if the test fails."""
    attempts = [int(record["token"] or 0) - int(record["returned"] or 0) for record in known.values()]
    kills = ", ".join(f"{kind} {killer.killed[kind]}" for kind in killer.kinds)
    refused = ", ".join(f"{why} {count}" for why, count in clients.refused.most_common())
    print(
        f"\nstorm with seed {seed}: {duration} until all was done"
        f"\n  accepted {len(clients.accepted)}, known to Redis {len(known)}, refused or unanswered: {refused}"
        f"\n  killed: {kills}"
        f"\n  run more than once: {sum(n > 1 for n in attempts)}, at most {max(attempts, default=0)} times"
    )
