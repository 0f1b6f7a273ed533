"""Run scripts from an event loop, in batches: the calls of one tick of the loop share one round trip to Redis.

A batch leaves at the end of the tick; calls that arrive during its round trip make up the next one. So a call that is
alone does not wait, and many calls share the cost of a round trip.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ConnectionError, NoScriptError

from .scripts import Script, recoverable

LARGEST = 100  # calls per round trip: keeps Redis busy for some milliseconds, not longer
LARGEST_BYTES = 1024 * 1024  # of their arguments, so that a round trip stays far below the socket's timeout


class ScriptCall(NamedTuple):
    """One call of a script, and where its answer goes."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Any]
    answer: asyncio.Future[Any]


class ScriptBatch:
    """Sends the calls of one event loop to Redis on one connection, in the order in which they were made."""

    def __init__(self, client: Redis) -> None:
        """Take a client with a socket_timeout, which bounds each read."""
        self._client = client
        self._calls: deque[ScriptCall] = deque()
        self._sender: asyncio.Task[None] | None = None

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> asyncio.Future[Any]:
        """Return a future for a script's answer; it raises redis-py's error if Redis is away or the script fails."""
        answer = asyncio.get_running_loop().create_future()
        self._calls.append(ScriptCall(script, keys, args, answer))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all())
        return answer

    async def close(self) -> None:
        """Wait for the calls under way, and close the connection."""
        if self._sender:
            await asyncio.wait([self._sender])
        await self._client.aclose()

    async def _send_all(self) -> None:
        while self._calls:
            calls = self._next_batch()
            try:
                answers = await self._round_trip(calls)
            except Exception as error:
                calls += self._calls  # they fail as well: each attempt would add its timeout to the next
                self._calls.clear()
                answers = [copy(error) for _ in calls]  # one each, as raising an exception changes it
            except BaseException:  # the loop is being stopped: leave no caller waiting
                for call in (*calls, *self._calls):
                    call.answer.cancel()
                self._calls.clear()
                raise
            for call, answer in zip(calls, answers, strict=True):
                _give(call, answer)

    def _next_batch(self) -> list[ScriptCall]:
        """Return the next calls, at least one: either all of them are repeatable, or none is."""
        calls = [self._calls.popleft()]
        size = _size(calls[0])
        while self._calls and len(calls) < LARGEST:
            following = self._calls[0]
            size += _size(following)
            if size > LARGEST_BYTES or following.script.repeatable != calls[0].script.repeatable:
                break
            calls.append(self._calls.popleft())
        return calls

    async def _round_trip(self, calls: Sequence[ScriptCall]) -> list[Any]:
        try:
            answers = await self._pipeline(calls, by_hash=True)
        except ConnectionError:
            if not calls[0].script.repeatable:
                raise
            answers = await self._pipeline(calls, by_hash=True)  # the connection was stale
        unknown = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:  # Redis has restarted, which empties its cache of scripts
            again = await self._pipeline([calls[i] for i in unknown], by_hash=False)
            for i, answer in zip(unknown, again, strict=True):
                answers[i] = answer
        return answers

    async def _pipeline(self, calls: Sequence[ScriptCall], by_hash: bool) -> list[Any]:
        pipeline: Any = self._client.pipeline(transaction=False)
        for script, keys, args, _ in calls:
            if by_hash:
                pipeline.evalsha(script.sha, len(keys), *keys, *args)
            else:
                pipeline.eval(script.text, len(keys), *keys, *args)
        return list(await pipeline.execute(raise_on_error=False))


def _size(call: ScriptCall) -> int:
    return sum(len(arg) for arg in call.args if isinstance(arg, str | bytes))


def _give(call: ScriptCall, answer: Any) -> None:
    with suppress(asyncio.InvalidStateError):  # the caller has cancelled it
        if isinstance(answer, Exception):
            call.answer.set_exception(recoverable(answer))
        else:
            call.answer.set_result(answer)
