"""Wait for a job and follow it, through NGINX: no polling, no thread per waiter, nothing left behind."""

import asyncio
import json
import time
from http.client import HTTPConnection
from typing import Any

import httpx
import psutil
import pytest
from redis import Redis

from tests.support.http import assert_problem, submit
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

WAIT = "/producer/api/wait_and_return"


def listeners(redis: Redis, job_id: str) -> int:
    """Return how many connections listen to a job."""
    return int(redis.pubsub_numsub(f"job:{job_id}")[0][1])


def later(http: httpx.Client) -> str:
    """Submit a job that starts in a minute and return its id."""
    return str(http.post(WAIT, params={"countdown": 60}, json={"seconds": 0}).json()["job_id"])


@pytest.mark.parametrize(
    "how",
    [
        {"params": {"wait": "20"}},
        {"headers": {"Prefer": "respond-async, wait=20"}},
        {"headers": [("Prefer", "respond-async"), ("Prefer", "wait=20")]},
    ],
)
def test_a_waiter_is_answered_when_the_job_ends(http: httpx.Client, how: dict[str, Any]) -> None:
    """Long before its patience ends, and with the result."""
    job_id = submit(http, "wait_and_return", seconds=1, message="done")
    begun = time.monotonic()
    answer = http.get(f"{WAIT}/{job_id}", **how)
    assert (answer.status_code, answer.json()["result"]) == (200, "done")
    assert time.monotonic() - begun < 10
    assert answer.headers.get("preference-applied") == ("wait=20" if "headers" in how else None)


def test_a_waiter_whose_patience_ends_sees_the_job_as_it_is(http: httpx.Client) -> None:
    """A job that has not ended is answered with 200 all the same: it is known, and not ready."""
    job_id = later(http)
    begun = time.monotonic()
    answer = http.get(f"{WAIT}/{job_id}", params={"wait": 0.5})
    assert (answer.status_code, answer.json()["status"], answer.json()["ready"]) == (200, "PENDING", False)
    assert time.monotonic() - begun >= 0.5


@pytest.mark.parametrize("wait", ["-1", "31", "long", "nan"])
def test_a_wait_that_is_not_allowed_is_named(http: httpx.Client, wait: str) -> None:
    """422 says which parameter is wrong."""
    problem = assert_problem(http.get(f"{WAIT}/any", params={"wait": wait}), 422)
    assert problem["errors"][0]["field"] == "query.wait"


@pytest.mark.parametrize("prefer", ["respond-async", "wait=", "wait=x", "await=5", "wait=-1"])
def test_a_preference_that_is_not_understood_is_ignored(http: httpx.Client, prefer: str) -> None:
    """As RFC 7240 asks."""
    answer = http.get(f"{WAIT}/{later(http)}", headers={"Prefer": prefer})
    assert (answer.status_code, "preference-applied" in answer.headers) == (200, False)


def test_waiting_for_an_unknown_job_is_404_at_once(http: httpx.Client) -> None:
    """There is nothing to wait for."""
    assert_problem(http.get(f"{WAIT}/unknown", params={"wait": 30}), 404)


def test_a_waiter_that_goes_away_leaves_nothing_behind(http: httpx.Client, redis: Redis) -> None:
    """Its subscription ends with its connection, through NGINX."""
    job_id = later(http)
    waiter = HTTPConnection(http.base_url.host, http.base_url.port)
    waiter.request("GET", f"{WAIT}/{job_id}?wait=30")
    wait_until(lambda: listeners(redis, job_id) == 1, what="the producer listens")
    waiter.close()
    wait_until(lambda: listeners(redis, job_id) == 0, 20, "no listener is left")


@pytest.mark.heavy
def test_a_thousand_waiters_cost_one_connection_and_no_threads(
    http: httpx.Client, stack: NativeStack, redis: Redis
) -> None:
    """All get a response when their job ends; until then the producer needs no more threads and little more memory."""
    job_id = later(http)
    producer = psutil.Process(stack.pids("uvicorn")[0])
    before = producer.memory_info().rss

    async def wait() -> tuple[int, str]:
        # bare, as a thousand of httpx's connections keep a core busy for many seconds
        reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        writer.write(f"GET {WAIT}/{job_id}?wait=30 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1]), json.loads(body)["status"]

    async def swarm() -> set[tuple[int, str]]:
        waiting = [asyncio.create_task(wait()) for _ in range(1000)]
        await asyncio.to_thread(wait_until, lambda: producer.num_fds() >= 1000, what="all have arrived")
        await asyncio.to_thread(wait_until, lambda: listeners(redis, job_id), what="the producer listens")
        assert len(redis.client_list(_type="pubsub")) < 20
        assert listeners(redis, job_id) == 1
        assert producer.num_threads() < 60
        assert producer.memory_info().rss - before < 150_000_000
        await asyncio.to_thread(http.delete, f"{WAIT}/{job_id}")
        return set(await asyncio.gather(*waiting))

    assert asyncio.run(swarm()) == {(200, "REVOKED")}
    wait_until(lambda: listeners(redis, job_id) == 0, what="no listener is left")


def test_following_a_job_tells_each_change_and_ends_with_it(http: httpx.Client) -> None:
    """First the job as it is, then its start, then the job as it ended; and the stream closes."""
    job_id = str(http.post(WAIT, params={"countdown": 3}, json={"seconds": 0.5}).json()["job_id"])
    with http.stream("GET", f"{WAIT}/{job_id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = list(stream.iter_lines())
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert names == ["job", "change", "job"]
    assert [event["status"] for event in events] == ["PENDING", "STARTED", "SUCCESS"]
    assert events[-1]["result"] == "Hello World!"


def test_following_shows_progress(http: httpx.Client) -> None:
    """A report comes as the job with its progress."""
    job_id = str(
        http.post("/producer/api/count_primes", params={"countdown": 3}, json={"limit": 300_000}).json()["job_id"]
    )
    with http.stream("GET", f"/producer/api/count_primes/{job_id}/events") as stream:
        events = [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: ")]
    fractions = [event["progress"]["fraction"] for event in events if event.get("progress")]
    assert fractions and fractions == sorted(fractions) and fractions[-1] == 1


def test_following_an_unknown_job_is_404(http: httpx.Client) -> None:
    """A stream that could never say anything is not opened."""
    assert_problem(http.get(f"{WAIT}/unknown/events"), 404)


def test_following_everything_tells_of_every_job(http: httpx.Client) -> None:
    """Each change of any job, as it happens."""
    with http.stream("GET", "/producer/api/events") as stream:
        lines = stream.iter_lines()
        submit(http, "sum", number=1)
        next(lines)  # a change, or a comment after 15 seconds of silence: by then the producer has subscribed
        # delayed: without leases, PENDING is not told of a job that a consumer begins before its sending is noted
        answer = http.post("/producer/api/sum", params={"countdown": 1}, json={"number": 2})
        job_id = answer.json()["job_id"]
        seen = []
        for line in lines:
            if line.startswith("data: ") and (change := json.loads(line.removeprefix("data: ")))["job_id"] == job_id:
                seen.append(change["status"])
                if change["status"] == "SUCCESS":
                    break
    assert seen == ["PENDING", "STARTED", "SUCCESS"]
