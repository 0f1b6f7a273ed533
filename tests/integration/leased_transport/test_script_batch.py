"""Scripts that an event loop runs in batches."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError

from project import redis_clients
from project.leased_transport.script_batch import LARGEST, LARGEST_BYTES, ScriptBatch
from project.leased_transport.scripts import READ, Script
from project.settings import Settings
from tests.chaos.proxy import CuttingProxy
from tests.support.processes import RedisServer

TIMEOUT = 0.5  # seconds


def run(server: RedisServer | CuttingProxy, test: Callable[[ScriptBatch], Awaitable[object]]) -> None:
    """Run a test in an event loop with a batch."""

    async def inside() -> None:
        client = redis_clients.async_client(Settings(_env_file=None, redis_port=server.port, redis_timeout=TIMEOUT))
        batch = ScriptBatch(client)
        await test(batch)
        await batch.close()

    asyncio.run(inside())


@pytest.fixture
def echo(tmp_path: Path) -> Script:
    """A script that counts its calls and returns its argument."""
    (tmp_path / "echo.lua").write_text("redis.call('RPUSH', 'calls', ARGV[1]); return ARGV[1]")
    return Script("echo", tmp_path)


def test_calls_of_one_tick_share_round_trips_and_keep_their_order(server: RedisServer, echo: Script) -> None:
    """A full batch and the rest are two round trips."""
    expected = [str(number).encode() for number in range(LARGEST + 50)]

    async def test(batch: ScriptBatch) -> None:
        await batch.run(echo, [], ["first"])
        before = server.client.info("stats")["total_reads_processed"]
        assert await asyncio.gather(*(batch.run(echo, [], [text]) for text in expected)) == expected
        assert server.client.info("stats")["total_reads_processed"] - before <= 4  # the question itself is one of them

    run(server, test)
    assert server.client.lrange("calls", 1, -1) == expected


def test_large_calls_go_in_several_round_trips(server: RedisServer, echo: Script) -> None:
    """A hundred messages of a megabyte would take longer than the timeout of the socket."""
    large = "x" * (LARGEST_BYTES // 2)

    async def test(batch: ScriptBatch) -> None:
        await batch.run(echo, [], ["first"])
        answers = [batch.run(echo, [], [large]) for _ in range(3)]
        await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        assert [answer.done() for answer in answers] == [True, True, False]
        assert await answers[2] == large.encode()

    run(server, test)


@pytest.mark.parametrize(("repeatable", "calls"), [(True, 2), (False, 1)])
def test_only_a_repeatable_script_is_repeated_when_its_answer_is_lost(
    server: RedisServer, echo: Script, repeatable: bool, calls: int
) -> None:
    """The second call of a script that collects a job would not find it."""
    echo.repeatable = repeatable
    cut = iter(["after"])

    def plan(_: int, data: bytes) -> str | None:
        return next(cut, None) if b"lost" in data else None

    async def test(batch: ScriptBatch) -> None:
        await batch.run(echo, [], ["first"])
        calls = batch.run(echo, [], ["lost"]), batch.run(READ, ["job:x"], ["x"])
        answer = (await asyncio.gather(*calls, return_exceptions=True))[0]
        assert answer == b"lost" if repeatable else isinstance(answer, ConnectionError)

    with CuttingProxy(server.port, plan) as proxy:
        run(proxy, test)
    assert server.client.lrange("calls", 1, -1) == [b"lost"] * calls


def test_a_script_that_redis_does_not_know_yet_is_sent_in_full(server: RedisServer, echo: Script) -> None:
    """A restart or a failover empties the cache of scripts."""

    async def test(batch: ScriptBatch) -> None:
        for _ in range(2):
            server.client.script_flush()
            assert await batch.run(echo, [], ["x"]) == b"x"

    run(server, test)


def test_a_call_that_fails_harms_no_other(server: RedisServer, echo: Script) -> None:
    """The key has another type."""
    server.client.set("job:a", "no hash")

    async def test(batch: ScriptBatch) -> None:
        calls = batch.run(READ, ["job:a"], ["a"]), batch.run(echo, [], ["x"])
        answers: list[object] = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(answers[0], ResponseError)
        assert answers[1] == b"x"

    run(server, test)


def test_calls_that_nobody_waits_for_any_more_do_not_stop_the_batch(server: RedisServer, echo: Script) -> None:
    """Their clients have disconnected."""

    async def test(batch: ScriptBatch) -> None:
        gone, there = batch.run(echo, [], ["gone"]), batch.run(echo, [], ["there"])
        gone.cancel()
        assert await there == b"there"

    run(server, test)


def test_all_calls_fail_within_one_timeout_while_redis_is_frozen(tmp_path: Path, echo: Script) -> None:
    """Those that wait behind a batch do not wait for timeouts of their own; afterwards everything works again."""
    server = RedisServer(tmp_path)

    async def test(batch: ScriptBatch) -> None:
        await batch.run(echo, [], ["first"])
        server.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        errors = await asyncio.gather(
            *(batch.run(echo, [], [str(number)]) for number in range(10 * LARGEST)), return_exceptions=True
        )
        assert time.monotonic() - begun < 5 * TIMEOUT
        assert {type(error) for error in errors} <= {TimeoutError, ConnectionError}
        assert len(set(map(id, errors))) == len(errors)
        server.process.send_signal(signal.SIGCONT)
        assert await _patiently(batch, echo) == b"again"

    try:
        run(server, test)
    finally:
        server.process.send_signal(signal.SIGCONT)
        server.kill()


async def _patiently(batch: ScriptBatch, echo: Script) -> object:
    for _ in range(20):
        try:
            return await batch.run(echo, [], ["again"])
        except RedisError:
            await asyncio.sleep(0.1)
    raise AssertionError("Redis does not answer")
