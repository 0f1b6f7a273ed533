"""The changes of all jobs as a stream of server-sent events: encoded once, and shared by all that follow them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import ValidationError

from project.errors import TooManyEventListeners
from project.job_models import Change
from project.jobs.job_events import ALL, Changes

INTERVAL = 0.1  # seconds between two pieces of the stream: sending to each client costs more than a longer piece
HELD = 100  # pieces kept for a client that reads slowly; older ones are dropped
KEEPALIVE = 15  # seconds of silence after which a comment is sent, so that no proxy closes the connection

Listener = asyncio.Queue[bytes]


class Feed:
    """The stream, for at most *most* listeners in one event loop."""

    def __init__(self, changes: Changes, most: int) -> None:
        self._changes, self._most = changes, most
        self._listeners: set[Listener] = set()
        self._reader: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listener(self) -> AsyncIterator[Listener]:
        """Listen while the block runs; raise TooManyEventListeners."""
        if len(self._listeners) >= self._most:
            raise TooManyEventListeners
        listener: Listener = asyncio.Queue(HELD)
        self._listeners.add(listener)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self._reader.cancel()

    async def _read(self) -> None:
        async with self._changes.watch(ALL) as changes:
            while True:
                found = [await changes.get()]
                while not changes.empty():
                    found.append(changes.get_nowait())
                if piece := b"".join(_encoded(change) for change in found if change):
                    self._send(piece)
                await asyncio.sleep(INTERVAL)

    def _send(self, piece: bytes) -> None:
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(piece)


async def pieces(listener: Listener) -> AsyncIterator[bytes]:
    """Yield what a listener hears, without an end."""
    while True:
        try:
            yield await asyncio.wait_for(listener.get(), KEEPALIVE)
        except TimeoutError:
            yield KEEPALIVE_COMMENT


def _encoded(change: dict[str, Any]) -> bytes:
    """Return a change as an event; nothing of a message that another program has published and that is no change."""
    with suppress(ValidationError):
        return format_sse_event(event="change", data_str=Change.model_validate(change).model_dump_json())
    return b""
