"""What an operator has to look at Redis: the doctor's check and `make redis-cli`."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from project.brokers import broker_for
from project.health import memory_check, redis_check
from project.health.redis_version import RedisVersion
from project.settings import Settings
from tests.support.ports import free_port
from tests.support.processes import RedisServer
from tests.support.wait import wait_until

CLI = [sys.executable, "-m", "project.native.redis_cli"]


def test_the_doctor_names_the_server_that_is_there(settings: Settings) -> None:
    """Whichever this machine has, it is one with the fixes or a warning."""
    check = redis_check.check(settings)
    assert (check.state, check.found.endswith("answers")) == ("ok", True) or check.state == "warning"


@pytest.mark.parametrize(
    ("name", "number", "state", "cure"),
    [
        ("Redis", (6, 2, 14), "warning", "install Redis 6.2.20 or newer"),
        ("Redis", (7, 0, 15), "warning", "install Redis 7.2.11 or newer"),
        ("Valkey", (8, 1, 3), "warning", "install Valkey 8.1.4 or newer"),
        ("Redis", (8, 2, 2), "ok", ""),
        ("Redis", (6, 0, 16), "failed", "install Redis 7.4 or Valkey 8.1, or newer"),
    ],
)
def test_the_doctor_warns_of_a_server_with_security_holes(
    name: str, number: tuple[int, ...], state: str, cure: str
) -> None:
    """It works all the same, so the stack is not unready."""
    check = redis_check.check_version(RedisVersion(name, number))
    assert (check.state, check.cure) == (state, cure)


def test_the_doctor_says_when_redis_does_not_answer() -> None:
    """The password is in no text."""
    check = redis_check.check(Settings(_env_file=None, redis_port=free_port(), redis_password="hunter2"))
    assert check.state == "failed" and "hunter2" not in str(check)


def test_the_doctor_says_to_start_the_stack_that_has_this_redis() -> None:
    """A Redis elsewhere is started by others, or its address is wrong."""
    port = free_port()
    own = redis_check.check(Settings(_env_file=None, redis_port=port))
    elsewhere = redis_check.check(Settings(_env_file=None, redis_url=f"redis://127.0.0.1:{port}/0"))
    assert (own.cure, elsewhere.cure) == ("start the stack", "start it, or correct REDIS_URL, REDIS_HOST or BROKER_URL")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis with a user who may not ask for INFO."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        client: Any = server.client
        client.execute_command("ACL", "SETUSER", "guest", "on", ">hunter2", "~*", "&*", "+@all", "-info")
        yield server


@pytest.mark.parametrize(
    ("address", "found", "cure"),
    [
        ("guest:wrong@127.0.0.1:{port}/0", "Redis refuses the password", "REDIS_PASSWORD"),
        ("guest:hunter2@127.0.0.1:{port}/99", "Redis refuses the connection: ", "correct REDIS_URL, "),
    ],
)
def test_the_doctor_says_why_redis_refuses_a_connection(
    guarded: RedisServer, address: str, found: str, cure: str
) -> None:
    """It answers, so to start it would not help."""
    settings = Settings(_env_file=None, redis_url=f"redis://{address.format(port=guarded.port)}")
    for check in (redis_check.check(settings), broker_for(settings).check()):
        assert (check.state, check.found[: len(found)]) == ("failed", found)
        assert cure in check.cure and "hunter2" not in str(check)
    assert memory_check.check(settings).state == "failed"


def test_a_redis_without_info_is_no_fault(guarded: RedisServer) -> None:
    """A hosted one may not allow it."""
    settings = Settings(_env_file=None, redis_url=f"redis://guest:hunter2@127.0.0.1:{guarded.port}/0")
    assert [each.check(settings).state for each in (redis_check, memory_check)] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["PING"], "PONG"),
        (["RPUSH", "list", "a b", 'say "ä"\n'], "(integer) 2"),
        (["LRANGE", "list", "0", "-1"], '1) "a b"\n2) "say \\"\\xc3\\xa4\\"\\n"'),
        (["GET", "missing"], "(nil)"),
        (["HGETALL", "missing"], "(empty array)"),
        (["EVAL", "return {1, {2, 'x'}}", "0"], '1) (integer) 1\n2) 1) (integer) 2\n   2) "x"'),
    ],
)
def test_redis_cli_shows_answers_as_the_real_one_does(redis: Redis, words: list[str], shown: str) -> None:
    """It replaces a missing redis-cli."""
    assert _cli(redis, words).stdout == shown + "\n"


def test_redis_cli_reads_commands_line_by_line(redis: Redis) -> None:
    """On one connection, so that SELECT and MULTI do what they say; the last error is the exit code."""
    run = _cli(redis, [], "MULTI\nSET x 'a b'\n\nEXEC\nGET x\nFOO\n")
    assert run.stdout.splitlines()[:4] == ["OK", "QUEUED", "1) OK", '"a b"']
    assert (run.stdout.splitlines()[4][:7], run.returncode) == ("(error)", 1)


@pytest.mark.parametrize("word", ["exit", "QUIT"])
def test_redis_cli_ends_at_the_words_that_end_the_real_one(redis: Redis, word: str) -> None:
    """They are no errors, and no connection that is lost."""
    run = _cli(redis, [], f"PING\n{word}\nPING\n")
    assert (run.returncode, run.stdout, run.stderr) == (0, "PONG\n", "")


def test_redis_cli_waits_for_a_redis_that_is_being_restarted(tmp_path: Path) -> None:
    """As after a crash, when the launcher starts it again after a second."""
    with RedisServer(tmp_path) as server:
        server.kill()
        environment = {"REDIS_PORT": str(server.port)}
        with subprocess.Popen([*CLI, "PING"], env=environment, stdout=subprocess.PIPE, text=True) as cli:
            end = time.monotonic() + 1.5
            wait_until(lambda: time.monotonic() > end)
            assert cli.poll() is None
            server.start()
            assert cli.communicate(timeout=30)[0] == "PONG\n"


def test_redis_cli_says_when_redis_does_not_answer() -> None:
    """In one line, after five seconds."""
    run = subprocess.run(
        [*CLI, "PING"], env={"REDIS_PORT": str(free_port())}, check=False, capture_output=True, text=True
    )
    assert run.stderr.startswith("glassqueue: Redis does not answer: ") and run.stderr.count("\n") == 1


def _cli(redis: Redis, words: list[str], typed: str = "") -> subprocess.CompletedProcess[str]:
    environment = {"REDIS_PORT": str(redis.connection_pool.connection_kwargs["port"])}
    return subprocess.run([*CLI, *words], env=environment, input=typed, check=False, capture_output=True, text=True)
