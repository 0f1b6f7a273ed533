"""Stopping `make up` while a part of it hangs or cannot be started, or while it is suspended."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from project.native.supervisor import DEBOUNCE
from tests.support.http import submit
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

pytestmark = pytest.mark.heavy


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[NativeStack]:
    """A stack whose parts may take 11 s to stop: SHUTDOWN_TIMEOUT and ten more."""
    with NativeStack(tmp_path / "run", SHUTDOWN_TIMEOUT="1") as stack:
        yield stack


def test_a_second_ctrl_c_kills_what_hangs_and_redis_stops_in_order(stack: NativeStack) -> None:
    """The launcher ends without a traceback."""
    os.kill(_consumer(stack), signal.SIGSTOP)
    os.kill(_launcher(stack), signal.SIGINT)
    wait_until(lambda: "press Ctrl-C again" in stack.log)
    first = time.monotonic()
    wait_until(lambda: time.monotonic() - first > DEBOUNCE + 0.5)
    assert stack.stop(signal.SIGINT) == 0
    assert _redis_stopped_in_order(stack)


def test_make_down_kills_what_hangs_and_redis_stops_in_order(stack: NativeStack) -> None:
    """Once it has waited long enough."""
    os.kill(_consumer(stack), signal.SIGSTOP)
    assert "stopped the stack in" in _down(stack)
    assert stack.ended() == 0
    assert _redis_stopped_in_order(stack)


def test_a_part_that_cannot_be_started_is_given_up_and_the_others_stop_in_order(stack: NativeStack) -> None:
    """A consumer still hands its running job back."""
    with stack.client() as http:
        job_id = submit(http, "wait_and_return", seconds=60)
        wait_until(lambda: http.get(f"/producer/api/jobs/{job_id}").json()["status"] == "STARTED")
    (nginx,) = stack.pids("nginx", "master")
    shutil.rmtree(stack.run_dir / "nginx")
    os.kill(nginx, signal.SIGRTMIN + 1)  # a signal without a name
    wait_until(lambda: "glassqueue: nginx is not restarted" in stack.log)
    assert f"was killed by signal {signal.SIGRTMIN + 1}, restarting in 1 s" in stack.log
    assert "cannot start: [Errno 2] No such file or directory" in stack.log
    assert "stopped the stack in" in _down(stack)
    assert stack.ended() == 0
    assert f"handed back job_id={job_id}" in stack.log
    assert _redis_stopped_in_order(stack)


def test_make_down_stops_a_launcher_that_ctrl_z_has_suspended(stack: NativeStack) -> None:
    """A suspended process handles no SIGTERM."""
    os.kill(_launcher(stack), signal.SIGSTOP)
    try:
        assert "stopped the stack in" in _down(stack)
    finally:
        os.kill(_launcher(stack), signal.SIGCONT)
    assert stack.ended() == 0
    assert _redis_stopped_in_order(stack)


def test_a_stack_whose_output_was_closed_is_found_by_make_down(tmp_path: Path) -> None:
    """As after `make up >&-`: no file of the stack takes the place of its standard output."""
    stack = NativeStack(tmp_path / "run")
    launcher = ["sh", "-c", 'exec "$0" -m project.native >&-', sys.executable]
    with subprocess.Popen(launcher, env=stack.environment) as process:
        log = stack.run_dir / "stack.log"
        try:
            wait_until(lambda: log.exists() and "Glassqueue is up" in log.read_text())
            assert "stopped the stack in" in _down(stack)
            assert process.wait(60) == 0
        finally:
            process.kill()


def _launcher(stack: NativeStack) -> int:
    return int((stack.run_dir / "launcher.pid").read_text())


def _consumer(stack: NativeStack) -> int:
    return stack.pids("worker", "consumer.1@")[0]


def _down(stack: NativeStack) -> str:
    """Do what `make down` does, and return what it prints."""
    command = [sys.executable, "-m", "project.native", "down"]
    return subprocess.run(command, env=stack.environment, check=True, capture_output=True, text=True, timeout=60).stdout


def _redis_stopped_in_order(stack: NativeStack) -> bool:
    """Tell whether Redis was stopped and not killed, by a launcher without an error."""
    return "bye bye" in stack.log and "Traceback" not in stack.log
