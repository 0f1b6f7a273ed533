"""Clients of Redis that wait at most REDIS_TIMEOUT for an answer, so nothing hangs while Redis is away."""

from typing import Any

from redis import BlockingConnectionPool, Redis, asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import ConnectionError
from redis.retry import Retry

from project.settings import Settings

NO_RETRY = Retry(NoBackoff(), 0)  # for commands that must not run twice when only their answer was lost


def options(settings: Settings) -> dict[str, Any]:
    """Return the options of a client: it waits REDIS_TIMEOUT, and replaces a stale connection once."""
    return timeouts(settings) | {"retry": Retry(NoBackoff(), 1, supported_errors=(ConnectionError,))}


def client(settings: Settings, url: str = "", **changes: Any) -> Redis:
    """Return a client of the Redis that holds the job records, or of the one at *url*."""
    return Redis.from_url(url or settings.records, **options(settings) | changes)


def bounded_client(settings: Settings, url: str, connections: int) -> Redis:
    """Return a client for many threads; while all its connections are in use, a thread waits at most REDIS_TIMEOUT."""
    limits = {"max_connections": connections, "timeout": settings.redis_timeout}
    pool = BlockingConnectionPool.from_url(url, **options(settings), **limits)
    return Redis(connection_pool=pool)


class EncodesInC:
    """A connection of an event loop that encodes commands with hiredis, as redis-py's blocking connections do."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """Return a command as Redis reads it."""
        return list(HiredisRespSerializer().pack(*args))


def async_client(settings: Settings) -> asyncio.Redis:
    """Return a client of the job records for an event loop; it repeats no command."""
    client = asyncio.Redis.from_url(settings.records, **timeouts(settings), retry=AsyncRetry(NoBackoff(), 0))
    pool: Any = client.connection_pool
    pool.connection_class = type("Connection", (EncodesInC, pool.connection_class), {})
    return client


def timeouts(settings: Settings) -> dict[str, Any]:
    """Return the time limits of a connection."""
    return {"socket_timeout": settings.redis_timeout, "socket_connect_timeout": settings.redis_timeout}
