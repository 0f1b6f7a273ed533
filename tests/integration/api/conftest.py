"""The fixtures of the tests that start producers."""

from tests.support.producer_fixtures import producer, redis, start

__all__ = ["producer", "redis", "start"]
