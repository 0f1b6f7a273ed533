"""`make up`: it starts, says what is wrong, stops without a trace, and starts again."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from tests.support.doctor import doctor
from tests.support.http import assert_problem, finished, submit
from tests.support.newcomer import NOT_COPIED
from tests.support.ports import free_port
from tests.support.processes import RedisServer
from tests.support.stack import PORTS, NativeStack
from tests.support.terminal import Terminal, alive
from tests.support.wait import wait_until

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
        assert [process for process in processes if alive(process)] == []


def test_a_service_with_port_0_is_not_started(tmp_path: Path) -> None:
    """A service that is not needed uses no memory; NGINX answers 502 for it."""
    with NativeStack(tmp_path / "run", FLOWER_PORT="0", LOCUST_PORT="0") as stack:
        assert stack.pids("flower") + stack.pids("locust") == []
        with stack.client() as http:
            assert_problem(http.get("/dashboard/"), 502)


def test_consumers_can_be_more_than_one(tmp_path: Path) -> None:
    """`make up CONSUMERS=3` starts three, each with a name of its own."""
    with NativeStack(tmp_path / "run", CONSUMERS="3", CONSUMER_POOL="solo") as stack:
        assert [len(stack.pids("worker", f"consumer.{n}@")) for n in (1, 2, 3, 4)] == [1, 1, 1, 0]


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


@pytest.mark.parametrize("moment", [0.1, 0.3, 0.6, 1, 2, 3, 4])
def test_ctrl_c_at_any_moment_leaves_nothing_behind(tmp_path: Path, moment: float) -> None:
    """In a terminal, where `make` gets it too; also before anything has been started."""
    terminal = Terminal(NativeStack(tmp_path / "run", whole=True, SHUTDOWN_TIMEOUT="1"))
    terminal.read(moment)
    terminal.type("\x03")
    terminal.wait()
    assert "Traceback" not in terminal.seen.partition("^C")[0]
    assert terminal.left() == []


def test_a_closed_terminal_stops_the_stack(tmp_path: Path) -> None:
    """Though `make` is the first process in it and passes no signal on."""
    terminal = Terminal(NativeStack(tmp_path / "run", whole=True, SHUTDOWN_TIMEOUT="1"))
    terminal.read(60, until="Glassqueue is up")
    terminal.close()
    terminal.wait()
    assert terminal.left() == []


def test_a_terminal_shows_the_parts_in_colour_and_no_periodic_jobs(tmp_path: Path) -> None:
    """The list of parts is updated in place; a job's lines follow after the addresses, periodic jobs only in DEBUG."""
    stack = NativeStack(tmp_path / "run", whole=True, SHUTDOWN_TIMEOUT="1", HELLO_EVERY="1", TERM="xterm")
    terminal = Terminal(stack)
    terminal.read(60, until="Glassqueue is up")
    assert "  producer                  starting" in terminal.seen and "\x1b[10A" in terminal.seen
    with stack.client() as http:
        wait_until(lambda: len(http.get("/producer/api/jobs?task=hello&status=SUCCESS").json()["jobs"]) > 1)
        job_id = submit(http, "sum", number=10)
    terminal.read(10, until=f"success job_id={job_id}")
    assert re.search(
        rf"\x1b\[\d\dm[\d:]{{8}} consumer\.1 +\x1b\[0m \| INFO glassqueue.job: success job_id={job_id}", terminal.seen
    )
    assert "hello" not in terminal.seen
    terminal.type("\x03")
    terminal.wait()


def test_a_killed_launcher_leaves_nothing_running(tmp_path: Path) -> None:
    """NGINX's workers and the pools of consumers end with it."""
    stack = NativeStack(tmp_path / "run", whole=True).start()
    processes = stack.processes()
    assert len(processes) > 10
    stack.stop(signal.SIGKILL)
    wait_until(lambda: not any(alive(process) for process in processes), 30)
    stack.start().stop()


def test_a_part_that_dies_five_times_within_a_minute_is_given_up(tmp_path: Path) -> None:
    """The launcher says which and why, and runs the others; the doctor names it until the next start."""
    folder = tmp_path / "glassqueue"
    shutil.copytree(".", folder, ignore=NOT_COPIED)
    locustfile = folder / "locust/locustfile.py"
    whole = locustfile.read_text()
    locustfile.write_text("raise RuntimeError('broken on purpose')\n")
    with NativeStack(tmp_path / "run", folder=folder, LOCUST_PORT=str(free_port())) as stack:
        wait_until(lambda: "glassqueue: not running: locust" in stack.log)
        assert stack.log.count("restarting in") == 4
        message = stack.log.partition("glassqueue: locust is not restarted: it ended with exit code 1, the 5th time")[2]
        assert "RuntimeError: broken on purpose" in message
        assert stack.pids("locust") == []
        with stack.client() as http:
            assert finished(http, "sum", submit(http, "sum", number=10))["result"] == 55
        assert re.search("failed  given up +locust: ended with exit code 1", doctor(stack).stdout)
        stack.stop()
        locustfile.write_text(whole)
        stack.start()
        assert "ok      given up" in doctor(stack).stdout


def test_make_down_stops_the_stack_and_a_second_one_is_refused(tmp_path: Path) -> None:
    """Both find the stack by its folder."""
    stack = NativeStack(tmp_path / "run").start()
    second = NativeStack(tmp_path / "run")
    assert re.search(
        r"already runs in .*run \(process \d+\): stop it with `make down`", _start_and_fail(second.environment)
    )
    assert "stopped the stack in" in _command(stack, "down").stdout
    assert stack.ended() == 0
    assert "no stack runs in" in _command(stack, "down").stdout


def test_make_reset_forgets_all_jobs(tmp_path: Path) -> None:
    """Not while the stack runs."""
    stack = NativeStack(tmp_path / "run").start()
    with stack.client() as http:
        job_id = submit(http, "sum", number=10)
        finished(http, "sum", job_id)
    refused = _command(stack, "reset")
    assert refused.returncode == 1 and "make down" in refused.stderr
    stack.stop()
    assert "deleted all jobs" in _command(stack, "reset").stdout
    stack.start()
    with stack.client() as http:
        assert http.get(f"/producer/api/jobs/{job_id}").status_code == 404
    stack.stop()


def test_other_users_cannot_see_the_password_of_redis(tmp_path: Path) -> None:
    """It may hold any character, and is neither on a command line nor in a file that others can read."""
    password = """-- it's "p#ss" $HOME % wörd \\"""
    with NativeStack(tmp_path / "run", REDIS_PASSWORD=password) as stack:
        commands = [" ".join(process.cmdline()) for process in stack.processes()]
        assert not any("wörd" in command for command in commands)
        assert (stack.run_dir / "redis/password.conf").stat().st_mode & 0o077 == 0
        with stack.client() as http:
            assert finished(http, "sum", submit(http, "sum", number=10))["result"] == 55


def test_an_empty_password_of_redis_is_generated_and_kept(tmp_path: Path) -> None:
    """Redis refuses clients without it; `make redis-cli` knows it, and the next start has the same data."""
    with NativeStack(tmp_path / "run", REDIS_PASSWORD="") as stack:
        with pytest.raises(AuthenticationError):
            Redis(port=int(stack.settings["REDIS_PORT"])).ping()
        with stack.client() as http:
            job_id = submit(http, "sum", number=10)
            finished(http, "sum", job_id)
        command = [sys.executable, "-m", "project.native.redis_cli", "HGET", f"job:{job_id}", "result"]
        asked = subprocess.run(command, env=stack.environment, check=True, capture_output=True, text=True, timeout=60)
        assert asked.stdout == '"55"\n'
        (kept,) = stack.run_dir.glob("redis-*.password")
        password = kept.read_text()
        assert len(password) >= 32 and kept.stat().st_mode & 0o777 == 0o600
        assert not [each for each in stack.processes() if password in f"{each.cmdline()} {each.environ()}"]
        stack.stop()
        stack.start()
        assert kept.read_text() == password
        with stack.client() as http:
            assert finished(http, "sum", job_id)["result"] == 55


def test_each_secret_is_known_only_to_processes_that_need_it(tmp_path: Path) -> None:
    """On no command line, and in the environment of neither NGINX, Redis, Locust nor the mail server."""
    canaries: dict[str, Any] = {
        "IMAP_PASSWORD": "canary-imap",
        "FTP_PASSWORD": "canary-ftp",
        "POSTGRES_PASSWORD": "canary-postgres",
    }
    canaries |= {"NOTIFY_URL": "http://127.0.0.1/canary-notify", "REDIS_PASSWORD": "canary-redis"}
    with NativeStack(tmp_path / "run", whole=True, **canaries) as stack:
        processes = stack.processes()
        assert not [each for each in processes if "canary" in " ".join(each.cmdline())]
        without = [each for each in processes if re.search("nginx|-server|locust|aiosmtpd", " ".join(each.cmdline()))]
        assert len(without) >= 4
        assert not [each for each in without if "canary" in str(each.environ())]


def test_no_other_user_can_read_what_is_in_the_folder_of_a_stack(tmp_path: Path) -> None:
    """Neither what this start has made nor what an earlier version left there."""
    run = tmp_path / "run"
    (run / "redis").mkdir(parents=True)
    (run / "launcher.pid").touch()
    old = run / "redis" / "old.aof"
    old.write_text("a reminder's secret")
    old.chmod(0o644)
    with NativeStack(run, whole=True) as stack:
        with stack.client() as http:
            finished(http, "sum", submit(http, "sum", number=10))
        found = [run, *(path for path in run.rglob("*") if path.exists() and not path.is_symlink())]
        assert len(found) > 20
        for path in found:
            with suppress(FileNotFoundError):  # Flower renames its file every 5 s
                assert path.stat().st_mode & 0o077 == 0, path


def test_with_a_redis_elsewhere_none_is_started(tmp_path: Path) -> None:
    """Jobs go there; and a stack may do without consumers."""
    with (
        RedisServer(tmp_path) as elsewhere,
        NativeStack(tmp_path / "run", REDIS_URL=elsewhere.url, CONSUMERS="0") as stack,
        stack.client() as http,
    ):
        assert stack.pids("redis-server") == stack.pids("--hostname") == []
        submit(http, "sum", number=10)
        assert elsewhere.client.llen("cpu") == 1


def _command(stack: NativeStack, word: str) -> subprocess.CompletedProcess[str]:
    """Do what `make down` and `make reset` do."""
    command = [sys.executable, "-m", "project.native", word]
    return subprocess.run(command, env=stack.environment, check=False, capture_output=True, text=True, timeout=60)


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
