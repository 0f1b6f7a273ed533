"""Following all jobs: with many clients, with slow ones, and among messages that are no changes."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from project.api.event_feed import BACKLOG, INTERVAL, Feed
from project.errors import BrokerUnavailable, TooManyEventListeners
from project.jobs.job_events import ALL, Changes
from project.settings import Settings
from tests.support.changes import NOT_CHANGES
from tests.support.http import assert_problem
from tests.support.processes import RedisServer
from tests.support.producer import Producer, StartProducer
from tests.support.wait import wait_until

CHANGE = {
    "job_id": "a",
    "task": "sum",
    "queue": "cpu",
    "status": "STARTED",
    "at": "2030-01-01T00:00:00Z",
    "consumer": "one",
}
EVENTS = "/producer/api/events"


@pytest.fixture
def producer(start: StartProducer) -> Producer:
    """A producer that 300 clients may follow."""
    return start(max_event_listeners=300)


def _feed(server: RedisServer, most: int) -> tuple[Changes, Feed]:
    changes = Changes(Settings(_env_file=None, redis_url=server.url, redis_timeout=1))
    return changes, Feed(changes, most)


def _publish(server: RedisServer, *messages: Any) -> None:
    for message in messages:
        server.client.publish(ALL, message if isinstance(message, str | bytes) else json.dumps(message))


def test_all_listeners_share_the_bytes_of_an_event(server: RedisServer) -> None:
    """It is encoded once; changes that come within a moment are one piece."""

    async def listen() -> None:
        changes, feed = _feed(server, 3)
        async with feed.listener() as first, feed.listener() as second:
            await asyncio.to_thread(_publish, server, CHANGE)
            piece = await asyncio.wait_for(first.get(), 5)
            assert piece is await asyncio.wait_for(second.get(), 5)
            assert piece.startswith(b'event: change\ndata: {"job_id":"a"') and piece.endswith(b"\n\n")
            begun, found, pieces = time.monotonic(), 0, 0
            await asyncio.to_thread(_publish, server, *[CHANGE] * 50)
            while found < 50:
                found += (await asyncio.wait_for(first.get(), 5)).count(b"event: change")
                pieces += 1
            assert pieces <= 2 + (time.monotonic() - begun) / INTERVAL
        await changes.close()

    asyncio.run(listen())


def test_a_listener_hears_of_a_change_that_is_published_at_once(server: RedisServer) -> None:
    """Its stream begins when Redis has confirmed the subscription, and not while Redis is frozen."""

    async def listen() -> None:
        changes, feed = _feed(server, 1)
        for job_id in ("a", "b"):  # the second one after the first has left
            async with feed.listener() as events:
                await asyncio.to_thread(_publish, server, CHANGE | {"job_id": job_id})
                assert f'"job_id":"{job_id}"'.encode() in await asyncio.wait_for(events.get(), 5)
        server.send("STOP")
        try:
            with pytest.raises(BrokerUnavailable):
                async with feed.listener():
                    pass
        finally:
            server.send("CONT")
        await changes.close()

    asyncio.run(listen())


def test_all_that_listen_go_on_after_messages_that_are_not_changes(producer: Producer, redis: Any) -> None:
    """The stream of all jobs, that of one job, the overview, and a client that waits for the end of a job."""
    with producer.client() as http, ThreadPoolExecutor() as threads:
        path = http.post("/producer/api/sum", json={"number": 1}).headers["location"]
        channel = f"job:{path.rpartition('/')[2]}"
        with http.stream("GET", EVENTS) as all_jobs, http.stream("GET", f"{path}/events") as one_job:
            waiting = threads.submit(http.get, path, params={"wait": 20})
            look = threads.submit(http.get, "/producer/api/overview")
            wait_until(lambda: dict(redis.pubsub_numsub(ALL, channel)) == {ALL.encode(): 1, channel.encode(): 1})
            while not look.done():  # so that the overview hears of them
                for message in NOT_CHANGES:
                    redis.publish(channel, message)
                    redis.publish(ALL, message)
            assert look.result().status_code == 200
            cancelled = time.monotonic()
            assert http.delete(path).status_code == 200
            for stream in (all_jobs, one_job):
                assert any('"status":"REVOKED"' in line for line in stream.iter_lines())
            assert waiting.result().json()["status"] == "REVOKED"
            assert time.monotonic() - cancelled < 10


def test_a_listener_that_does_not_read_keeps_a_bounded_backlog_and_the_newest_events(server: RedisServer) -> None:
    """Older pieces are dropped."""

    async def listen() -> None:
        changes, feed = _feed(server, 1)
        async with feed.listener() as events:
            for number in range(BACKLOG + 5):
                feed._send(b"%d" % number)
            assert events.qsize() == BACKLOG
            assert events.get_nowait() == b"5"
            with pytest.raises(TooManyEventListeners):
                async with feed.listener():
                    pass
        await changes.close()

    asyncio.run(listen())


@pytest.mark.heavy  # measures a time
def test_jobs_are_accepted_quickly_with_the_maximum_number_of_event_listeners(producer: Producer) -> None:
    """A second at most while 300 clients hear of every job; the next one gets a Retry-After."""

    async def follow() -> list[float]:
        limits = httpx.Limits(max_connections=400)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{producer.port}", timeout=60, limits=limits) as http:
            streams = [http.stream("GET", EVENTS) for _ in range(300)]
            opened = [await stream.__aenter__() for stream in streams]
            assert {(answer.status_code, answer.headers["cache-control"]) for answer in opened} == {(200, "no-store")}
            refused = await http.get(EVENTS)
            assert_problem(refused, 429)
            assert refused.headers["retry-after"]
            took = []
            for _ in range(20):
                begun = time.monotonic()
                assert (await http.post("/producer/api/sum", json={"number": 1})).status_code == 202
                took.append(time.monotonic() - begun)
            for answer in opened:
                assert b"event: change" in await anext(answer.aiter_bytes())
            for stream in streams:
                await stream.__aexit__(None, None, None)
            return sorted(took)

    took = asyncio.run(follow())
    assert took[10] < 1, took
