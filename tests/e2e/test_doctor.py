"""`make doctor` and the deep probe: what they find on a stack that is whole, and on one that is not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.http import assert_problem
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

DEEP = "/producer/health/ready?deep=1"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    """A stack without consumers for two of its queues."""
    stack = NativeStack(tmp_path_factory.mktemp("small") / "run").start()
    yield stack
    stack.stop()


def _doctor(stack: NativeStack) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "project.doctor"]
    return subprocess.run(command, env=stack.environment, check=False, capture_output=True, text=True, timeout=60)


def test_a_whole_stack_is_ready_in_depth(stack: NativeStack, http: httpx.Client) -> None:
    """Every part is named, with what was found."""
    wait_until(lambda: http.get(DEEP).status_code == 200)
    checks = {check["name"]: check for check in http.get(DEEP).json()["checks"]}
    assert checks["queues"]["found"] == "consumers of cpu: 1, default: 1, maintenance: 1, notifications: 1"
    assert {check["state"] for check in checks.values()} <= {"ok", "off"}


def test_the_doctor_finds_nothing_wrong_with_a_whole_stack(stack: NativeStack) -> None:
    """It says so with its exit code too."""
    wait_until(lambda: _doctor(stack).returncode == 0)


def test_a_queue_without_consumers_is_found(small: NativeStack) -> None:
    """Jobs are accepted all the same, so the plain probe is content."""
    with small.client() as http:
        problem = assert_problem(http.get(DEEP), 503)
        assert http.get("/producer/health/ready").json() == {"status": "ok"}
    assert "notifications: 0" in problem["detail"]


def test_the_doctor_says_what_to_do(small: NativeStack) -> None:
    """In words, not in a stack trace."""
    run = _doctor(small)
    assert run.returncode == 1, run.stderr
    assert "failed  queues" in run.stdout
    assert "-> start a consumer for maintenance, notifications" in run.stdout


def test_the_doctor_of_a_stack_that_does_not_run_says_so(tmp_path: Path) -> None:
    """It is what one asks first when nothing works."""
    run = _doctor(NativeStack(tmp_path))
    assert run.returncode == 1, run.stderr
    assert "Redis does not answer" in run.stdout
    assert "Traceback" not in run.stdout + run.stderr
