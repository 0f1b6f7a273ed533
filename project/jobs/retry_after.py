"""Estimate how soon a full queue has room again, from how fast consumers fetch its jobs."""

import math
import time
from contextlib import suppress
from typing import Any, NamedTuple

from redis import Redis
from redis.exceptions import ResponseError

from project.leased_transport import keys

UNKNOWN, LONGEST = 5, 60  # seconds: the answer while the rate is unknown, and the maximum
APART = 1.0  # seconds between two readings, at least


class Reading(NamedTuple):
    """A reading of a queue: its time, the jobs fetched so far, and the jobs fetched per second before it."""

    at: float
    fetched: int
    rate: float


class RetryAfter:
    """Computes the drain rate of a queue from the fetch counts at two refusals."""

    def __init__(self, client: Redis, queue_limit: int) -> None:
        self._client: Any = client
        self._room = max(1, queue_limit // 10)
        self._readings: dict[str, Reading] = {}

    def seconds_until_room(self, queue: str) -> int:
        """Return in how many seconds a tenth of a full queue, at least one place, is free: 1 to 60; 5 if unknown."""
        rate = self._rate(queue)
        return min(math.ceil(self._room / rate), LONGEST) if rate else UNKNOWN

    def _rate(self, queue: str) -> float:
        """Return how many jobs per second are fetched, a low estimate; 0 if that is unknown."""
        now, last = time.monotonic(), self._readings.get(queue)
        if last and now - last.at < APART:
            return last.rate
        fetched = self._fetched(queue)
        if last is None or now - last.at > LONGEST:
            self._readings[queue] = Reading(now, fetched, 0)
            return 0
        elapsed, count = now - last.at, fetched - last.fetched
        if count < 2:  # one job gives no interval, so the older reading stays
            return min(last.rate, 1 / elapsed)
        self._readings[queue] = Reading(now, fetched, (count - 1) / elapsed)
        return self._readings[queue].rate

    def _fetched(self, queue: str) -> int:
        """Return how many jobs were fetched so far; 0 if another program has overwritten the count."""
        with suppress(ResponseError, ValueError):
            return int(self._client.hget(keys.FETCH_COUNTS, queue) or 0)
        return 0
