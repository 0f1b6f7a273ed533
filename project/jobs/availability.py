"""Fail fast while Redis is away, instead of letting every request wait for its own timeout."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError, OutOfMemoryError, ReadOnlyError, TimeoutError

from project.errors import BrokerUnavailable

_AWAY = (OperationalError, ConnectionError, TimeoutError, OutOfMemoryError, ReadOnlyError)


class Availability:
    """Remember that Redis (or RabbitMQ) was away; after a pause one caller may try again, others are told at once.

    Without it, a frozen Redis and 40 threads would let only 40 requests per timeout through to their 503.
    """

    def __init__(self, pause: float, who: str = "Redis") -> None:
        self._pause = pause
        self._detail = f"{who} does not answer at the moment; try again."
        self._away = False
        self._try_again_at = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Run a block that talks to it; raise BrokerUnavailable if it is away."""
        now = time.monotonic()
        if self._away and now < self._try_again_at:
            raise BrokerUnavailable(self._detail)
        self._try_again_at = now + self._pause
        try:
            yield
        except _AWAY as error:
            self._away, self._try_again_at = True, time.monotonic() + self._pause
            raise BrokerUnavailable(self._detail) from error
        except Exception:  # a 404, say: it has answered
            self._away = False
            raise
        self._away = False
