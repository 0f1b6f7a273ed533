"""A full queue tells clients when to come back: what Retry-After says is so."""

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from tests.support.http import assert_problem
from tests.support.inbox import LIMIT
from tests.support.processes import RedisServer, Worker
from tests.support.producer import Producer
from tests.support.wait import wait_until

FAST, SLOW = ("sum", {"number": 5_000_000}), ("wait_and_return", {"seconds": 1.2})


@pytest.fixture
def consumers(redis: Any, server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One consumer of one slot for each of the two queues."""
    folder = tmp_path_factory.mktemp("consumers")
    workers = [
        Worker(server.url, folder, queue, app="project.consumer", run_dir=folder, consumer_queues=queue).ready()
        for queue in ("cpu", "default")
    ]
    yield
    for worker in workers:
        worker.kill()


@pytest.fixture
def http(producer: Producer) -> Iterator[httpx.Client]:
    """A client of a producer with a limit of five jobs per queue."""
    with producer.client() as client:
        yield client


def _is_past(moment: float) -> bool:
    return time.monotonic() > moment


def _post(http: httpx.Client, task: str, arguments: dict[str, Any]) -> httpx.Response:
    return http.post(f"/producer/api/{task}", json=arguments)


def _refusal(http: httpx.Client, task: str, arguments: dict[str, Any], seconds: float = 0) -> int:
    """Submit until the queue is full, and for *seconds* more; return the last Retry-After."""
    refused: list[tuple[float, int]] = []

    def enough() -> bool:
        response = _post(http, task, arguments)
        if response.status_code == 429:
            assert_problem(response, 429)
            refused.append((time.monotonic(), int(response.headers["retry-after"])))
        return bool(refused) and refused[-1][0] >= refused[0][0] + seconds

    wait_until(enough)
    return refused[-1][1]


def test_a_full_queue_without_consumers_says_retry_after_5(redis: Any, http: httpx.Client) -> None:
    """Nothing is known of how fast it is worked off."""
    assert [_refusal(http, *FAST) for _ in range(2)] == [5, 5]
    assert redis.llen("cpu") == LIMIT


@pytest.mark.parametrize("value", ["no number", "9" * 5000])
def test_a_count_of_fetched_jobs_that_is_damaged_says_retry_after_5(redis: Any, http: httpx.Client, value: str) -> None:
    """As one that is unknown; also if the key has another type."""
    redis.hset("taken", "cpu", value)
    assert _refusal(http, *FAST, seconds=1.5) == 5
    redis.delete("taken")
    redis.set("taken", "no hash")
    assert _refusal(http, *FAST, seconds=1.5) == 5


@pytest.mark.heavy
@pytest.mark.usefixtures("consumers")
def test_retry_after_is_longer_for_a_slower_queue_and_true_for_both(http: httpx.Client) -> None:
    """Both drain while clients keep coming; a client that waits for Retry-After finds room."""
    fast, slow = _refusal(http, *FAST, seconds=2), _refusal(http, *SLOW, seconds=6)
    assert fast < slow <= 10
    for job, seconds in ((FAST, _refusal(http, *FAST)), (SLOW, _refusal(http, *SLOW))):
        end = time.monotonic() + seconds
        wait_until(partial(_is_past, end))
        assert _post(http, *job).status_code == 202


@pytest.mark.usefixtures("consumers")
def test_fetches_are_counted_per_queue(redis: Any, http: httpx.Client) -> None:
    """What the drain rate is made of."""
    for _ in range(3):
        assert _post(http, "sum", {"number": 1}).status_code == 202
    wait_until(lambda: redis.hget("taken", "cpu") == b"3")
    assert redis.hget("taken", "default") is None


def test_a_schedule_that_is_run_now_is_refused_as_its_job_would_be(http: httpx.Client, redis: Any) -> None:
    """429 while the queue is full, and 409 if the task has changed since; neither is a mistake of the server."""
    path = "/producer/api/schedules"
    wanted = {"task": "sum", "kwargs": {"number": 1}, "description": "", "cron": "@yearly"}
    made = http.post(path, json=wanted).json()["schedule_id"]
    _refusal(http, *FAST)
    assert_problem(http.post(f"{path}/{made}/run"), 429)
    redis.delete("cpu")
    key = f"schedules:{made}"
    for old in ('"task":"gone"', '"task":"sum","arguments":{"colour":"red"}'):
        definition = json.dumps(json.loads(redis.hget(key, "definition")) | json.loads("{" + old + "}"))
        redis.hset(key, "definition", definition)
        assert_problem(http.post(f"{path}/{made}/run"), 409)
