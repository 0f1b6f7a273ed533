"""Clients of Redis that wait at most REDIS_TIMEOUT for an answer, so nothing hangs while Redis is away."""

import os
from threading import Semaphore
from typing import Any

import hiredis
from redis import BlockingConnectionPool, Redis, asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import AuthenticationError, ConnectionError, RedisError, ResponseError
from redis.retry import Retry

from project.settings import Settings

NO_RETRY = Retry(NoBackoff(), 0)  # for commands that must not run twice when only their answer was lost


def options(settings: Settings) -> dict[str, Any]:
    """Return the options of a client: it waits REDIS_TIMEOUT, and replaces a stale connection once."""
    return timeouts(settings) | {"retry": Retry(NoBackoff(), 1, supported_errors=(ConnectionError,))}


def client(settings: Settings, url: str = "", **changes: Any) -> Redis:
    """Return a client of the Redis that holds the job records, or of the one at *url*."""
    return Redis.from_url(url or settings.records, **options(settings) | changes)


def info(settings: Settings, section: str) -> dict[str, Any] | None:
    """Return a section of INFO about the Redis with the job records, or None if it does not allow INFO.

    Raise RedisError if it does not answer, or refuses the password or the database.
    """
    with client(settings) as redis:
        redis.ping()  # so that an error below is about INFO: a hosted Redis may not allow it
        try:
            return dict(redis.info(section))
        except ResponseError:
            return None


def explain(error: RedisError, *, own: bool) -> tuple[str, str]:
    """Return why a Redis, the stack's own one or another, cannot be used, and what to do; without the password."""
    if isinstance(error, AuthenticationError):
        return "Redis refuses the password", "set REDIS_PASSWORD, or correct the password in REDIS_URL or BROKER_URL"
    if isinstance(error, ResponseError):
        return f"Redis refuses the connection: {error}", "correct REDIS_URL, BROKER_URL or REDIS_DB"
    cure = "start the stack" if own else "start it, or correct REDIS_URL, REDIS_HOST or BROKER_URL"
    return f"Redis does not answer: {type(error).__name__}", cure


class Idle:
    """The idle connections of one process, and how many more may be in use."""

    def __init__(self, process: int, limit: int) -> None:
        self.process = process
        self.connections: list[Any] = []
        self.free = Semaphore(limit)


class QuickScripts(Redis):
    """A client whose evalsha() does without redis-py's pool and telemetry, which take longer than the call itself.

    It keeps its own connections for these calls, as many as its pool has for all other commands. A connection that
    Redis has closed is noticed, and replaced, when it is used next.
    """

    _idle = Idle(0, 0)

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script that Redis knows."""
        pool: Any = self.connection_pool
        if self._idle.process != os.getpid():  # the first call, also after a fork
            self._idle = Idle(os.getpid(), pool.max_connections)
        idle = self._idle
        if not idle.free.acquire(timeout=pool.timeout):
            raise ConnectionError("all connections to Redis are in use")
        try:
            return _exchange(pool, idle, hiredis.pack_command(("EVALSHA", sha, numkeys, *keys_and_args)))
        finally:
            idle.free.release()


def _exchange(pool: Any, idle: Idle, command: bytes) -> Any:
    """Send a command and return its answer; retry once after a ConnectionError, as options() configures."""
    try:
        connection = idle.connections.pop()
    except IndexError:
        connection = pool.connection_class(**pool.connection_kwargs)

    def attempt() -> Any:
        connection.send_packed_command([command])
        return connection.read_response()

    try:
        answer = connection.retry.call_with_retry(attempt, lambda _: connection.disconnect())
    except ResponseError:
        idle.connections.append(connection)
        raise
    except BaseException:  # the answer may still arrive, and must not be taken for that of the next command
        connection.disconnect()
        raise
    idle.connections.append(connection)
    return answer


def bounded_client(settings: Settings, url: str, connections: int) -> Redis:
    """Return a client for many threads; while all its connections are in use, a thread waits at most REDIS_TIMEOUT."""
    limits = {"max_connections": connections, "timeout": settings.redis_timeout}
    pool = BlockingConnectionPool.from_url(url, **options(settings), **limits)
    return QuickScripts(connection_pool=pool)


class EncodesInC:
    """A connection of an event loop that encodes commands with hiredis, as redis-py's blocking connections do."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """Return a command as Redis reads it."""
        return list(HiredisRespSerializer().pack(*args))


def async_client(settings: Settings) -> asyncio.Redis:
    """Return a client of the job records for an event loop; it never retries a command."""
    client = asyncio.Redis.from_url(settings.records, **timeouts(settings), retry=AsyncRetry(NoBackoff(), 0))
    pool: Any = client.connection_pool
    pool.connection_class = type("Connection", (EncodesInC, pool.connection_class), {})
    return client


def timeouts(settings: Settings) -> dict[str, Any]:
    """Return the time limits of a connection."""
    return {"socket_timeout": settings.redis_timeout, "socket_connect_timeout": settings.redis_timeout}
