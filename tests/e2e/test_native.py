"""`make up`: it starts, says what is wrong, stops without a trace, and starts again."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.http import assert_problem, finished, submit
from tests.support.stack import PORTS, NativeStack

pytestmark = pytest.mark.heavy


def test_the_stack_stops_without_a_trace_and_starts_again(tmp_path: Path) -> None:
    """Ctrl-C, `kill` or a closed terminal: no process, no port and no lock is left; accepted jobs are."""
    stack = NativeStack(tmp_path / "run", whole=True, SHUTDOWN_TIMEOUT="1")
    jobs: list[str] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        stack.start()
        with stack.client() as http:
            assert [finished(http, "wait_and_return", job)["result"] for job in jobs] == ["still here"] * len(jobs)
            jobs.append(submit(http, "wait_and_return", seconds=3, message="still here"))
        processes = stack.processes()
        assert len(processes) > 10
        assert stack.stop(number) == 0
        assert [process for process in processes if process.is_running() and process.status() != "zombie"] == []


def test_a_service_with_port_0_is_not_started(tmp_path: Path) -> None:
    """What one does not need costs no memory; NGINX says that it is not there."""
    stack = NativeStack(tmp_path / "run", FLOWER_PORT="0", LOCUST_PORT="0").start()
    try:
        assert stack.pids("flower") + stack.pids("locust") == []
        with stack.client() as http:
            assert_problem(http.get("/dashboard/"), 502)
    finally:
        stack.stop()


def test_consumers_can_be_more_than_one(tmp_path: Path) -> None:
    """`make up CONSUMERS=3` starts three, each with a name of its own."""
    stack = NativeStack(tmp_path / "run", CONSUMERS="3", CONSUMER_POOL="solo").start()
    try:
        assert [len(stack.pids("worker", f"consumer.{n}@")) for n in (1, 2, 3, 4)] == [1, 1, 1, 0]
    finally:
        stack.stop()


@pytest.mark.parametrize("name", PORTS)
def test_a_port_in_use_is_one_clear_line(tmp_path: Path, name: str) -> None:
    """It names the port and the setting, and nothing is started."""
    stack = NativeStack(tmp_path / "run", whole=True)
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(stack.settings[name])))
        other.listen()
        error = _start_and_fail(stack.environment)
    assert len(error.splitlines()) == 1
    assert stack.settings[name] in error
    assert f"{name}=" in error


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTP_PORT", "eighty"), ("RESULT_TTL", "-7"), ("CONSUMER_POOL", "gevent"), ("REDIS_URL", "localhost:6379")],
)
def test_a_bad_setting_stops_the_start_with_one_line_naming_it(name: str, value: str) -> None:
    """No traceback, and the value is not repeated: it may be a secret."""
    error = _start_and_fail({**os.environ, name: value})
    assert len(error.splitlines()) == 1
    assert f"glassqueue: {name}: " in error
    assert value not in error.replace(name, "")


def test_a_process_of_the_stack_can_be_killed_and_is_started_again(tmp_path: Path) -> None:
    """The supervisor does for a process what `restart: unless-stopped` does for a container."""
    command = [sys.executable, "-m", "project.native.supervise", sys.executable, "-c", "print('once', flush=True)"]
    environment = {**os.environ, "RUN_DIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout
        lines = [supervisor.stdout.readline().strip() for _ in range(3)]
        supervisor.terminate()
    assert lines == ["once", "ended with code 0, starting it again", "once"]
    assert not psutil.pid_exists(supervisor.pid)


@pytest.mark.parametrize("words", ["nginx: master", "worker --hostname"], ids=["nginx", "consumer"])
def test_a_killed_supervisor_leaves_no_process_behind(tmp_path: Path, words: str) -> None:
    """NGINX's workers and a consumer's pool die with it, and the stack stops, as something is wrong with it."""
    stack = NativeStack(tmp_path / "run", SHUTDOWN_TIMEOUT="1").start()
    processes = stack.processes()
    os.kill(psutil.Process(stack.pids(words)[0]).ppid(), signal.SIGKILL)
    assert stack.ended() != 0
    assert [process for process in processes if process.is_running() and process.status() != "zombie"] == []


def _start_and_fail(environment: dict[str, str]) -> str:
    """Run the launcher, which must refuse to start, and return what it says."""
    run = subprocess.run(
        [sys.executable, "-m", "project.native"],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert run.returncode == 1
    assert run.stdout == ""
    return run.stderr
