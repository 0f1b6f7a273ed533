"""How soon a full queue has room again: from how fast consumers take jobs out of it."""

import math
import time
from typing import Any, NamedTuple

from redis import Redis

from project.leased_transport import keys

UNKNOWN, LONGEST = 5, 60  # seconds: what a client is told when nothing is known, and at most
APART = 1.0  # seconds between two looks


class Look(NamedTuple):
    """What was seen of a queue: when, how many jobs had been taken by then, and how many a second before."""

    at: float
    taken: int
    rate: float


class RetryAfter:
    """Compares how many jobs were taken from a queue between two refusals, which is when somebody wants to know."""

    def __init__(self, client: Redis, queue_limit: int) -> None:
        self._client: Any = client
        self._room = max(1, queue_limit // 10)
        self._looks: dict[str, Look] = {}

    def seconds_until_room(self, queue: str) -> int:
        """Return the seconds until about a tenth of a full queue, at least one place, is free: 1 to 60, or 5."""
        rate = self._rate(queue)
        return min(math.ceil(self._room / rate), LONGEST) if rate else UNKNOWN

    def _rate(self, queue: str) -> float:
        """Return how many jobs a second are taken, rather too few than too many; 0 if that is not known."""
        now, last = time.monotonic(), self._looks.get(queue)
        if last and now - last.at < APART:
            return last.rate
        taken = int(self._client.hget(keys.FETCH_COUNTS, queue) or 0)
        if last is None or now - last.at > LONGEST:
            self._looks[queue] = Look(now, taken, 0)
            return 0
        elapsed, count = now - last.at, taken - last.taken
        if count < 2:  # one says nothing of the time from one to the next, so the look back gets longer
            return min(last.rate, 1 / elapsed)
        self._looks[queue] = Look(now, taken, (count - 1) / elapsed)
        return self._looks[queue].rate
