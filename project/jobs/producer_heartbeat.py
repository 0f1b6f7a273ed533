"""The heartbeat of a producer: the overview lists the producers that are up, and how many requests each answers."""

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.exceptions import RedisError

from project import redis_clients
from project.leased_transport import keys
from project.settings import Settings

INTERVAL, TTL = 2, 8  # seconds between two heartbeats, and until one expires


class ProducerHeartbeat:
    """Writes that this producer is up, for as long as lifespan() lasts.

    requests: returns how many requests it has answered so far. pages: returns how many pages follow the overview.
    """

    def __init__(self, settings: Settings, requests: Callable[[], float], pages: Callable[[], int]) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._settings, self._requests, self._pages = settings, requests, pages
        self._description: dict[str, Any] = {"name": self.name, "up_since": time.time()}

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Send heartbeats while the block runs."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        async with redis_clients.async_client(self._settings) as client:
            before = time.monotonic(), self._requests()
            try:
                while True:
                    now = time.monotonic(), self._requests()
                    rate = (now[1] - before[1]) / (now[0] - before[0]) if now[0] > before[0] else 0
                    with suppress(RedisError, OSError):
                        await self._send(client, round(rate, 1))
                    before = now
                    await asyncio.sleep(INTERVAL)
            finally:
                with suppress(RedisError, OSError):
                    await client.delete(keys.producer(self.name))

    async def _send(self, client: Any, rate: float) -> None:
        text = json.dumps(self._description | {"requests": rate, "pages": self._pages()})
        pipeline = client.pipeline(transaction=False)
        await pipeline.set(keys.producer(self.name), text, ex=TTL).sadd(keys.PRODUCERS, self.name).execute()
