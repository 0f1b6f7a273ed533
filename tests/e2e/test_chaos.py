"""Break it: each action does what it says, only where it is enabled, and the stack recovers."""

import json
import socket
import time
from datetime import datetime
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.http import assert_problem, finished, look_up, submit
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.stack(CONSUMERS=2, CONSUMER_SLOTS=1, LEASE=2)]

CHAOS = "/producer/api/chaos"
CONSUMERS = "/producer/api/consumers"
JOBS = "/producer/api/jobs"


def test_a_loopback_stack_says_that_everything_is_possible(http: httpx.Client) -> None:
    """With what should happen, in the order in which the page shows it."""
    shown = http.get(CHAOS).json()
    assert (shown["enabled"], shown["reason"]) == (True, None)
    names = ["kill-consumer", "freeze-redis", "poison-job", "slow-consumer", "flood"]
    assert [action["action"] for action in shown["actions"]] == names
    assert all(action["possible"] and len(action["expect"]) > 40 for action in shown["actions"])


def test_a_killed_consumer_loses_its_lease_and_another_one_runs_the_job(http: httpx.Client) -> None:
    """With its pool; the launcher starts a new one, and the story tells of the lost lease."""
    job_id = submit(http, "wait_and_return", seconds=4)
    wait_until(lambda: look_up(http, "wait_and_return", job_id)["status"] == "STARTED")
    runs_it = look_up(http, "wait_and_return", job_id)["consumer"]
    (before,) = (each["up_since"] for each in http.get(CONSUMERS).json() if each["name"] == runs_it)
    done = http.post(f"{CHAOS}/kill-consumer", json={"consumer": runs_it})
    assert (done.status_code, done.json()["target"]) == (202, runs_it), done.text
    assert finished(http, "wait_and_return", job_id)["attempts"] >= 2  # a busy machine may lose a lease of 2 s again
    outcomes = [run["outcome"] for run in http.get(f"{JOBS}/{job_id}/story").json()["runs"]]
    assert (outcomes[0], outcomes[-1]) == ("lost_lease", "success")

    def is_new(consumer: dict[str, str]) -> bool:
        """Tell it from the killed one, which is listed under the same name until its heartbeat expires."""
        return consumer["name"] == runs_it and consumer["up_since"] > before

    wait_until(lambda: any(map(is_new, http.get(CONSUMERS).json())), 30, "it is started again")


def test_a_heartbeat_that_names_a_foreign_process_kills_nothing(http: httpx.Client, stack: NativeStack) -> None:
    """Whatever is in Redis: only consumers of this stack are killed."""
    with psutil.Popen(["sleep", "60"], start_new_session=True) as other, stack.redis() as redis:
        text = {"name": "evil@x", "pool": "solo", "slots": 1, "broker": "leased", "queues": ["default"]}
        redis.set("consumer:evil@x", json.dumps(text | {"host": socket.gethostname(), "pid": other.pid}), ex=30)
        redis.sadd("consumers", "evil@x")
        assert_problem(http.post(f"{CHAOS}/kill-consumer", json={"consumer": "evil@x"}), 409)
        assert other.is_running() and other.poll() is None
        redis.delete("consumer:evil@x")
        other.kill()


def test_a_frozen_redis_thaws_by_itself(http: httpx.Client) -> None:
    """Until then, submits fail fast."""
    done = http.post(f"{CHAOS}/freeze-redis")
    begun = time.monotonic()
    assert (done.status_code, done.json()["target"]) == (202, "redis"), done.text
    assert http.post("/producer/api/sum", json={"number": 1}).status_code == 503
    wait_until(lambda: http.post("/producer/api/sum", json={"number": 1}).status_code == 202, 20)
    assert 2 < time.monotonic() - begun < 15


def test_a_poison_job_fails_and_others_go_on(http: httpx.Client) -> None:
    """After MAX_ATTEMPTS attempts."""
    (job_id,) = http.post(f"{CHAOS}/poison-job", json={}).json()["job_ids"]
    assert http.get(f"{JOBS}/{job_id}", params={"wait": 30}).json()["error"]["type"] == "PoisonJob"
    outcomes = {run["outcome"] for run in http.get(f"{JOBS}/{job_id}/story").json()["runs"]}
    assert outcomes == {"crash"}
    assert finished(http, "sum", submit(http, "sum", number=3))["result"] == 6


def test_a_slow_consumer_makes_its_jobs_wait(http: httpx.Client) -> None:
    """For the time that was asked for."""
    for consumer in http.get(CONSUMERS).json():
        body = {"consumer": consumer["name"], "seconds": 5, "delay": 1}
        assert http.post(f"{CHAOS}/slow-consumer", json=body).json()["until"]

    def runs_slowly() -> bool:
        job = finished(http, "sum", submit(http, "sum", number=1))
        return bool(_seconds(job) > 0.9)

    assert wait_until(runs_slowly, 10)
    assert wait_until(lambda: not runs_slowly(), 20)


def _seconds(job: dict[str, str]) -> float:
    return (datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["started_at"])).total_seconds()


def test_a_flood_arrives_and_is_done(http: httpx.Client) -> None:
    """Of as many jobs as were asked for, at most 2,000."""
    done = http.post(f"{CHAOS}/flood", json={"count": 50}).json()
    assert len(done["job_ids"]) == 10
    assert finished(http, "wait_and_return", done["job_ids"][-1])["status"] == "SUCCESS"
    problem = assert_problem(http.post(f"{CHAOS}/flood", json={"count": 2001}), 422)
    assert problem["errors"][0]["field"] == "body.count"
    assert_problem(http.post(f"{CHAOS}/flood", json={}, headers={"Origin": "http://evil.example"}), 403)


def test_nothing_can_be_broken_without_chaos(tmp_path: Path) -> None:
    """403 with the reason, and how to enable it."""
    with NativeStack(tmp_path / "run", CHAOS="0", CONSUMERS=1) as stack, httpx.Client(base_url=stack.url) as http:
        shown = http.get(CHAOS).json()
        assert not shown["enabled"] and "CHAOS=1" in shown["reason"]
        for action in shown["actions"]:
            assert (action["possible"], action["reason"]) == (False, shown["reason"])
            assert "CHAOS=1" in assert_problem(http.post(action["submit"]), 403)["detail"]
