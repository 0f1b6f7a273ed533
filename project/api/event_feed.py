"""The changes of all jobs as a stream of server-sent events; each is encoded once for all clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from project.errors import BrokerUnavailable, TooManyEventListeners
from project.job_models import Change
from project.jobs.job_events import ALL, Changes

INTERVAL = 0.1  # seconds between two chunks: each send has a cost per client, so changes are batched
BACKLOG = 100  # chunks kept for a client that reads slowly; older ones are dropped
PATIENCE = 1.2  # seconds that a client waits until Redis has confirmed the subscription
KEEPALIVE = 15  # seconds of silence after which a comment is sent, so that no proxy closes an idle connection

Listener = asyncio.Queue[bytes]


class Feed:
    """The stream, for at most *limit* listeners in one event loop."""

    def __init__(self, changes: Changes, limit: int) -> None:
        self._changes, self._limit = changes, limit
        self._listeners: set[Listener] = set()
        self._reader: asyncio.Task[None] | None = None
        self._confirmed = asyncio.Event()

    @asynccontextmanager
    async def listener(self) -> AsyncIterator[Listener]:
        """Listen while the block runs, to every change from its beginning on.

        Raises TooManyEventListeners, or BrokerUnavailable if Redis does not confirm the subscription in time.
        """
        if len(self._listeners) >= self._limit:
            raise TooManyEventListeners
        listener: Listener = asyncio.Queue(BACKLOG)
        self._listeners.add(listener)
        if self._reader is None or self._reader.done():
            self._confirmed = asyncio.Event()
            self._reader = asyncio.create_task(self._read(self._confirmed))
        try:
            await self._wait_for(self._confirmed)
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._reader:
                self._reader.cancel()
                self._reader = None  # it may end later than the next one begins

    async def _wait_for(self, confirmed: asyncio.Event) -> None:
        try:
            await asyncio.wait_for(confirmed.wait(), PATIENCE)
        except TimeoutError:
            raise BrokerUnavailable from None

    async def _read(self, confirmed: asyncio.Event) -> None:
        async with self._changes.watch(ALL) as changes:
            confirmed.set()
            while True:
                batch = [await changes.get()]
                while not changes.empty():
                    batch.append(changes.get_nowait())
                if chunk := b"".join(_encoded(change) for change in batch if change):
                    self._send(chunk)
                await asyncio.sleep(INTERVAL)

    def _send(self, chunk: bytes) -> None:
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(chunk)


async def chunks(listener: Listener) -> AsyncIterator[bytes]:
    """Yield a listener's chunks endlessly, and a comment after 15 seconds without one."""
    while True:
        try:
            yield await asyncio.wait_for(listener.get(), KEEPALIVE)
        except TimeoutError:
            yield KEEPALIVE_COMMENT


def _encoded(change: Change) -> bytes:
    return format_sse_event(event="change", data_str=change.model_dump_json())
