"""Fail fast while Redis is away, instead of letting every request wait for its own timeout.

A Redis that answers but refuses to write (it is full, or a replica) is not away: reading and cancelling go on.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError, RedisError, TimeoutError

from project.brokers.base import PublishRefused
from project.errors import BrokerUnavailable, WritesRefused
from project.leased_transport.scripts import recoverable

#: What every version of Redis and Valkey says when it refuses a write, also inside of a script; and what we say.
REFUSALS = {
    "used memory > 'maxmemory'": "Redis is out of memory (maxmemory), so nothing new can be stored; reading, "
    "cancelling and deleting work. Try again when results have expired, or give Redis more memory.",
    "MISCONF": "Redis cannot write to its disk (is it full?), so nothing can be stored or changed; reading works. "
    "Try again when Redis can write.",
    "read only replica": "This Redis is a read-only replica (a failover?), so nothing can be stored or changed; "
    "reading works. Try again when it is the primary.",
    "NOREPLICAS": "Redis has too few replicas to write to, so nothing can be stored or changed; reading works. "
    "Try again when they are back.",
}


class CircuitBreaker:
    """A circuit breaker: once a server was away, one caller per pause may try again, the others fail at once.

    Without it, a frozen Redis and 40 threads would let only 40 requests per timeout through to their 503.
    """

    def __init__(self, pause: float, who: str = "Redis") -> None:
        self._pause = pause
        self._no_answer = self._detail = f"{who} does not answer at the moment; try again."
        self._away = False
        self._try_again_at = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Run a block that talks to it; raise BrokerUnavailable if it is away, WritesRefused if it cannot write."""
        now = time.monotonic()
        if self._away and now < self._try_again_at:
            raise BrokerUnavailable(self._detail)
        self._try_again_at = now + self._pause
        try:
            yield
        except (OperationalError, RedisError) as error:
            self._away = _is_away(error)
            if refusal := _refusal(error):
                raise WritesRefused(refusal) from error
            if not self._away:
                raise
            self._try_again_at = time.monotonic() + self._pause
            self._detail = str(error) if isinstance(error, PublishRefused) else self._no_answer
            raise BrokerUnavailable(self._detail) from error
        except Exception:  # a 404, say: it has answered
            self._away = False
            raise
        self._away = False


def _refusal(error: Exception) -> str | None:
    return next((told for text, told in REFUSALS.items() if text in str(error)), None)


def _is_away(error: Exception) -> bool:
    """Tell a server that did not answer from one that answered with an error."""
    cause = error.__cause__ if isinstance(error, OperationalError) else error
    answered = isinstance(cause, RedisError) and not isinstance(recoverable(cause), ConnectionError | TimeoutError)
    return not _refusal(error) and (not answered or str(cause).startswith("BUSY"))
