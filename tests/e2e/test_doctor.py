"""`make doctor` and the deep probe: what they find on a stack that is whole, and on one that is not."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from project.schedules import leader_heartbeat
from tests.support.doctor import doctor
from tests.support.http import assert_problem
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

DEEP = "/producer/health/ready?deep=1"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    """A stack without consumers for two of its queues."""
    with NativeStack(tmp_path_factory.mktemp("small") / "run") as stack:
        yield stack


@contextmanager
def _frozen(pids: list[int]) -> Iterator[None]:
    """Let processes stand still for a while."""
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_whole_stack_is_ready_in_depth(stack: NativeStack, http: httpx.Client) -> None:
    """Every part is named, with what was found."""
    answer = wait_until(lambda: ready if (ready := http.get(DEEP)).status_code == 200 else None)
    assert answer
    checks = {check["name"]: check for check in answer.json()["checks"]}
    assert checks["queues"]["found"] == "consumers of cpu: 1, default: 1, maintenance: 1, notifications: 1"
    assert {check["state"] for check in checks.values()} <= {"ok", "off"}


def test_the_doctor_finds_nothing_wrong_with_a_whole_stack(stack: NativeStack) -> None:
    """It says so with its exit code too, and asks through no proxy."""
    nowhere = {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    run = wait_until(lambda: done if (done := doctor(stack, **nowhere)).returncode == 0 else None)
    assert run
    lines = run.stdout.splitlines()
    for name in ("scheduler", "NGINX", "producer", "Flower", "Locust"):
        assert [line for line in lines if line.startswith("ok ") and name in line], name


def test_a_queue_without_consumers_is_found(small: NativeStack) -> None:
    """Jobs are accepted all the same, so the plain probe is content."""
    with small.client() as http:
        problem = assert_problem(http.get(DEEP), 503)
        assert http.get("/producer/health/ready").json() == {"status": "ok"}
    assert "notifications: 0" in problem["detail"]


def test_the_doctor_says_what_to_do(small: NativeStack) -> None:
    """In words, not in a stack trace."""
    run = doctor(small)
    assert run.returncode == 1, run.stderr
    assert "failed  queues" in run.stdout
    assert "-> start a consumer for maintenance, notifications" in run.stdout


def test_a_service_that_is_switched_off_is_not_a_failure(small: NativeStack) -> None:
    """FLOWER_PORT=0 and LOCUST_PORT=0 switch them off."""
    out = doctor(small).stdout
    assert "off     Flower" in out
    assert "off     Locust" in out


@pytest.mark.heavy
def test_a_scheduler_that_does_not_tick_is_found(small: NativeStack) -> None:
    """Its heartbeat would expire; the test deletes it instead of waiting."""
    with small.redis() as redis, small.client() as http:
        wait_until(lambda: "ok      scheduler" in doctor(small).stdout)
        with _frozen(small.pids("beat")):
            redis.delete(leader_heartbeat.KEY)
            assert "no schedule fires" in doctor(small).stdout
            wait_until(lambda: "scheduler: no scheduler has ticked" in http.get(DEEP).json()["detail"])
            checks = {check["name"]: check["state"] for check in http.get(DEEP).json()["checks"]}
            assert (checks["scheduler"], checks["producer"]) == ("failed", "ok")
        wait_until(lambda: "ok      scheduler" in doctor(small).stdout)


@pytest.mark.heavy
def test_services_that_do_not_answer_are_found(small: NativeStack) -> None:
    """The doctor names the silent service, although the others answer."""
    with _frozen(small.pids("nginx")):
        out = doctor(small).stdout
    assert "failed  NGINX" in out
    assert "ok      producer" in out
    with _frozen(small.pids("uvicorn")):
        out = doctor(small).stdout
    assert "failed  producer" in out
    assert "ok      NGINX" in out


def test_the_doctor_in_a_container_learns_from_the_producer_what_it_cannot_see(small: NativeStack) -> None:
    """Here it reaches no container at all, so it reports the state as unknown."""
    out = doctor(small, IN_CONTAINERS="true").stdout
    assert "failed  NGINX         unknown: the producer" in out


def test_the_doctor_of_a_stack_that_does_not_run_says_so(tmp_path: Path) -> None:
    """It is what one asks first when nothing works."""
    run = doctor(NativeStack(tmp_path))
    assert run.returncode == 1, run.stderr
    assert "Redis does not answer" in run.stdout
    assert "Traceback" not in run.stdout + run.stderr
