"""Receive changes of jobs immediately: one pub/sub connection per process, no polling, no thread per waiter."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from pydantic import ValidationError
from redis.exceptions import RedisError

from project import redis_clients
from project.job_models import Change
from project.leased_transport import keys
from project.settings import Settings

ALL = keys.ALL_CHANGES  # the channel of the changes of all jobs
ALWAYS = "jobs:watch"  # without messages; a subscription to it keeps the connection open while no client waits
HELD = 1000  # changes buffered for a slow listener; older ones are dropped
PAUSE = 0.5  # seconds between two attempts to reach Redis

Heard = Change | None  # None: changes may have been missed, so read the job again

log = logging.getLogger(__name__)


class Channel:
    """The listeners of one channel, and whether Redis has confirmed the subscription."""

    def __init__(self) -> None:
        self.queues: set[asyncio.Queue[Heard]] = set()
        self.confirmed = asyncio.Event()

    def confirm(self) -> None:
        """Release pending listeners; tell existing ones to read again, because the subscription was interrupted."""
        if self.confirmed.is_set():
            self.tell(None)
        self.confirmed.set()

    def tell(self, change: Heard) -> None:
        """Pass a change on to all listeners."""
        for queue in self.queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(change)


class Changes:
    """The changes of jobs, for any number of listeners in one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._redis = redis_clients.async_client(settings)
        self._pubsub = self._redis.pubsub()
        self._channels: dict[str, Channel] = {}
        self._wanted = {ALWAYS}  # channels that are not subscribed yet
        self._lock = asyncio.Lock()  # redis-py opens a connection for each of two concurrent first subscriptions
        self._reader: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def listeners(self) -> int:
        """Return the current number of listeners."""
        return sum(len(channel.queues) for channel in self._channels.values())

    @asynccontextmanager
    async def watch(self, name: str) -> AsyncIterator[asyncio.Queue[Heard]]:
        """Listen to a channel: that of a job (`job:<id>`), or ALL.

        The block starts when Redis has confirmed the subscription, which may be after an outage; from then on the
        queue gets every change.
        """
        queue: asyncio.Queue[Heard] = asyncio.Queue(HELD)
        channel = self._channels.setdefault(name, Channel())
        channel.queues.add(queue)
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        try:
            if len(channel.queues) == 1:
                self._wanted.add(name)
                with suppress(RedisError, OSError):  # the reader subscribes when Redis is back
                    await self._subscribe()
            await channel.confirmed.wait()
            yield queue
        finally:
            channel.queues.discard(queue)
            if not channel.queues:
                del self._channels[name]
                self._wanted.discard(name)
                self._unsubscribe(name)

    async def close(self) -> None:
        """Close the connection."""
        if self._reader:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]
        await self._redis.aclose()

    async def _subscribe(self) -> None:
        async with self._lock:
            if names := self._wanted.copy():
                await self._pubsub.subscribe(*names)
                self._wanted -= names

    def _unsubscribe(self, name: str) -> None:
        """Leave a channel, in a separate task, because the listener's task may already be cancelled."""

        async def leave() -> None:
            """Unsubscribe, unless the channel has a listener again."""
            with suppress(RedisError, OSError):
                async with self._lock:
                    if name not in self._channels:  # no listener has joined since
                        await self._pubsub.unsubscribe(name)

        task = asyncio.create_task(leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _read(self) -> None:
        while True:
            try:
                await self._subscribe()
                if message := await self._pubsub.get_message(timeout=PAUSE):
                    self._handle(message)
            except (RedisError, OSError):  # redis-py subscribes again when it reconnects
                await asyncio.sleep(PAUSE)
            except Exception:  # if this task ended, no listener would hear anything
                log.exception("a change could not be read")
                await asyncio.sleep(PAUSE)

    def _handle(self, message: dict[str, Any]) -> None:
        name = message["channel"].decode()
        channel = self._channels.get(name)
        if message["type"] == "subscribe":
            if channel:
                channel.confirm()
            elif name != ALWAYS:  # its last listener left during an outage
                self._unsubscribe(name)
        elif message["type"] == "message" and channel:
            with suppress(ValidationError):  # a message of another program
                channel.tell(Change.model_validate_json(message["data"]))
