"""The inbox while producers are killed and Redis is away: no message is lost, and none becomes two jobs."""

import json
from functools import partial
from typing import Any

import pytest
from redis import Redis

from project.brokers import queue_depths
from project.inbox.redis_list import INBOX, PUT_BACK, REJECTED, REMOVE
from project.leased_transport import scripts
from tests.chaos.proxy import CuttingProxy
from tests.support.inbox import jobs, push
from tests.support.processes import RedisServer
from tests.support.producer import Producer, StartProducer
from tests.support.stopwatch import takes_less_than
from tests.support.wait import wait_until


def test_a_frozen_redis_delays_messages_and_no_stop(redis: Any, server: RedisServer, start: StartProducer) -> None:
    """A producer stops soon even while Redis does not answer; the other goes on when it does."""
    second = start()
    push(redis, {"task": "sum", "args": [1]})
    wait_until(lambda: jobs(redis))
    server.send("STOP")
    try:
        with takes_less_than(10, second.process.pid):
            second.stop()
    finally:
        server.send("CONT")
    push(redis, {"task": "sum", "args": [2]})
    wait_until(lambda: len(jobs(redis)) == 2)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("job_id", [{}, {"job_id": "mine"}], ids=["no id", "own id"])
def test_a_producer_killed_in_the_act_leaves_one_message_or_one_job(
    redis: Any, server: RedisServer, start: StartProducer, moment: str, job_id: dict[str, str]
) -> None:
    """Killed while it sends the admission: Redis has run the script or not, and the next producer continues."""
    redis.script_load(scripts.ADMIT.text)
    away: Any = Redis(port=server.port, db=1)  # the other producers of this module do not look there
    victims: list[Producer] = []

    def kill(_: int, data: bytes) -> str | None:
        if scripts.ADMIT.sha.encode() not in data:
            return None
        victims[0].kill()
        return moment

    with CuttingProxy(server.port, kill) as proxy:
        victims.append(start(port=proxy.port, redis_db=1))
        push(away, {"task": "sum", "args": [1]} | job_id)
        wait_until(partial(_ended, victims[0]), what="the producer is killed")
    places = (1, 0) if moment == "before" else (0, 1)
    wait_until(lambda: (away.llen(INBOX), away.llen("cpu")) == places, what=f"it is in {places}")
    heir = start(redis_db=1)
    wait_until(lambda: away.llen(INBOX) == 0)
    heir.kill()
    assert [job["kwargs"] for job in jobs(away)] == [{"number": 1}]


@pytest.mark.heavy
def test_producers_killed_at_any_moment_lose_nothing_and_double_nothing(redis: Any, start: StartProducer) -> None:
    """Two read side by side, half of the messages name no id, and one of the two is killed again and again."""
    numbers = range(3000)
    push(redis, *({"task": "count_primes", "queue": "default", "args": [number]} | _id(number) for number in numbers))
    done = 0
    pair = [start(), start()]
    while redis.llen(INBOX):
        goal = done + 400
        wait_until(partial(_reach, redis, "default", min(goal, len(numbers))))
        done = redis.llen("default")
        pair.pop(0).kill()
        pair.append(start())
    found = jobs(redis, "default")
    assert sorted(job["kwargs"]["limit"] for job in found) == list(numbers)
    assert all(job["job_id"] == f"job-{job['kwargs']['limit']}" for job in found if job["kwargs"]["limit"] % 2)
    assert redis.exists(REJECTED) == 0
    for producer in pair:
        producer.kill()


@pytest.mark.parametrize(
    ("step", "moment"),
    [
        ("remove", "before"),
        ("remove", "after"),
        ("register", "before"),
        ("put_back", "before"),
        ("put_back", "after"),
    ],
)
def test_an_outage_loses_and_doubles_no_message_of_a_producer_without_leases(
    server: RedisServer, start: StartProducer, step: str, moment: str
) -> None:
    """Redis goes away while the producer removes a message, submits its job, or puts it back because that has failed."""
    there: Any = Redis(port=server.port, db=6)
    steps = {"remove": REMOVE, "register": scripts.REGISTER, "put_back": PUT_BACK}
    for script in steps.values():
        there.script_load(script.text)
    cuts = {step: [moment] * 3} | ({"register": ["before"] * 2} if step == "put_back" else {})

    def sent() -> int:
        return sum(there.llen(name) for name in queue_depths.stock_lists("cpu"))

    def cut(_: int, data: bytes) -> str | None:
        name = next((name for name, script in steps.items() if script.sha.encode() in data), "")
        return cuts[name].pop() if cuts.get(name) else None

    with CuttingProxy(server.port, cut) as proxy:
        url = f"redis+stock://127.0.0.1:{proxy.port}/6"
        producer = start(proxy.port, broker_url=url, redis_db=6, redis_down_pause=0.1)
        same = {"task": "sum", "args": [1]}
        push(there, same, same, {"task": "sum", "args": [2]})
        wait_until(lambda: sent() >= 3 and not there.keys("inbox*"), 10, "all messages are jobs")
        assert not any(cuts.values())
        producer.kill()
    numbers = [json.loads(there.hget(key, "message"))[1]["number"] for key in there.scan_iter("job:*")]
    assert (sorted(numbers), sent()) == ([1, 1, 2], 3)
    there.flushdb()


def _reach(redis: Any, name: str, length: int) -> bool:
    return bool(redis.llen(name) >= length)


def _ended(producer: Producer) -> bool:
    return producer.process.poll() is not None


def _id(number: int) -> dict[str, str]:
    return {"job_id": f"job-{number}"} if number % 2 else {}
