"""The fixtures of the transport's tests."""

from tests.support.transport_fixtures import app, redis, server, session_redis, workers

__all__ = ["app", "redis", "server", "session_redis", "workers"]
