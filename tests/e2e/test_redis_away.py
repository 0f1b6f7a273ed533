"""While Redis is stopped, frozen or killed, clients get errors immediately; then the stack recovers."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest

from project.leased_transport import keys
from tests.support.http import assert_problem, finished, look_up, submit
from tests.support.stack import NativeStack
from tests.support.stopwatch import takes_less_than
from tests.support.wait import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.stack]

SUM = "/producer/api/sum"


def _redis(stack: NativeStack) -> int:
    """Return the process of Redis; after a test that killed it, it may have to be started again first."""
    wait_until(stack.redis_pids)
    return stack.redis_pids()[0]


def _subscriptions(stack: NativeStack, job_id: str) -> int:
    """Return how many producers listen to a job."""
    with stack.redis() as client:
        return client.pubsub_numsub(keys.job(job_id))[0][1]


@pytest.fixture
def crowd(stack: NativeStack) -> Iterator[httpx.Client]:
    """A client for more threads than the producer has."""
    with httpx.Client(base_url=stack.url, timeout=30, limits=httpx.Limits(max_connections=100)) as client:
        yield client


def test_frozen_redis_means_503_within_2_s_for_everyone(
    stack: NativeStack, http: httpx.Client, crowd: httpx.Client
) -> None:
    """No request hangs, no threads pile up, and 5 s after Redis is back jobs are done again."""
    job_id = submit(http, "sum", number=1)
    pid = _redis(stack)
    os.kill(pid, signal.SIGSTOP)
    try:
        answers = _ask_many(crowd, job_id)
        threads = psutil.Process(stack.pids("uvicorn")[0]).num_threads()
    finally:
        os.kill(pid, signal.SIGCONT)
    for response, seconds in answers:
        assert_problem(response, 503)
        assert int(response.headers["retry-after"]) > 0
        assert seconds < 5  # 2 s, and a loaded machine
    assert threads < 60
    _assert_recovers(stack, http, within=5)


def test_a_killed_redis_means_503_until_it_is_back(stack: NativeStack, http: httpx.Client, crowd: httpx.Client) -> None:
    """The launcher starts it again after a second; neither producer nor consumer is restarted."""
    job_id = submit(http, "sum", number=1)
    os.kill(_redis(stack), signal.SIGKILL)
    answers = _ask_many(crowd, job_id)
    assert 503 in {response.status_code for response, _ in answers}
    assert {response.status_code for response, _ in answers} <= {200, 202, 503}
    assert max(seconds for _, seconds in answers) < 5
    processes = stack.pids("uvicorn"), stack.pids("worker")
    _assert_recovers(stack, http, within=2 + 5)
    assert processes == (stack.pids("uvicorn"), stack.pids("worker"))


def test_a_job_survives_a_redis_that_is_killed(stack: NativeStack, http: httpx.Client) -> None:
    """What was accepted is in the append-only file, and is done after the restart."""
    slow = [submit(http, "wait_and_return", seconds=1.5, message=str(n)) for n in range(6)]
    os.kill(_redis(stack), signal.SIGKILL)
    wait_until(lambda: http.get("/producer/health/ready").status_code == 200)
    assert [finished(http, "wait_and_return", job_id)["result"] for job_id in slow] == [str(n) for n in range(6)]


def test_a_waiting_client_gets_the_result_although_redis_was_killed(stack: NativeStack, http: httpx.Client) -> None:
    """The subscription is made anew, and the job looked at again."""
    job_id = submit(http, "wait_and_return", seconds=4, message="heard")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(http.get, f"/producer/api/wait_and_return/{job_id}", params={"wait": 30})
        wait_until(lambda: look_up(http, "wait_and_return", job_id)["status"] == "STARTED")
        wait_until(lambda: _subscriptions(stack, job_id))
        os.kill(_redis(stack), signal.SIGKILL)
        assert waiting.result(timeout=30).json()["result"] == "heard"


def test_readiness_tells_that_redis_is_away_and_liveness_does_not(stack: NativeStack, http: httpx.Client) -> None:
    """The process is fine; it only cannot accept jobs."""
    pid = _redis(stack)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert_problem(http.get("/producer/health/ready"), 503)
        assert http.get("/producer/health/live").status_code == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: http.get("/producer/health/ready").status_code == 200)


def _ask_many(crowd: httpx.Client, job_id: str) -> list[tuple[httpx.Response, float]]:
    """Submit and look up 200 times from 100 threads; return each answer and the seconds it took."""

    def ask(number: int) -> tuple[httpx.Response, float]:
        begun = time.monotonic()
        response = crowd.post(SUM, json={"number": 1}) if number % 2 else crowd.get(f"{SUM}/{job_id}")
        return response, time.monotonic() - begun

    with ThreadPoolExecutor(100) as threads:
        return list(threads.map(ask, range(200)))


def _assert_recovers(stack: NativeStack, http: httpx.Client, within: float) -> None:
    """Check that a job is accepted and ends within *within* seconds from now."""
    with takes_less_than(within, *stack.pids("uvicorn"), *stack.pids("worker")):
        wait_until(lambda: http.post(SUM, json={"number": 1}).status_code == 202)
        assert finished(http, "sum", submit(http, "sum", number=10))["result"] == 55
