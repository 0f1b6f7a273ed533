"""Fail fast while Redis is unavailable, instead of letting every request wait for its own timeout.

If Redis answers but refuses writes (it is full, or a replica), the circuit stays closed: reading and cancelling work.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError, RedisError, TimeoutError

from project.brokers.base import BeingSent, PublishRefused
from project.errors import BrokerUnavailable, DamagedKey, WritesRefused
from project.leased_transport import overwritten
from project.leased_transport.scripts import FULL, is_damage, recoverable

#: Error texts of all versions of Redis and Valkey for a refused write, also in a script, and our explanations.
REFUSALS = {
    FULL: "Redis is out of memory (maxmemory), so nothing new can be stored; reading, "
    "cancelling and deleting work. Try again when results have expired, or give Redis more memory.",
    "MISCONF": "Redis cannot write to its disk (is it full?), so nothing can be stored or changed; reading works. "
    "Try again when Redis can write.",
    "read only replica": "This Redis is a read-only replica (a failover?), so nothing can be stored or changed; "
    "reading works. Try again when it is the primary.",
    "NOREPLICAS": "Redis has too few replicas to write to, so nothing can be stored or changed; reading works. "
    "Try again when they are back.",
}
NOT_ALLOWED = ("NOPERM", "ACL failure", "permissions")  # the user of Redis lacks a right


class CircuitBreaker:
    """A circuit breaker: after a failure, one caller per pause tries the server again; the others fail immediately.

    Without it, each request would wait for a timeout before its 503.
    """

    def __init__(self, pause: float, server: str = "Redis") -> None:
        self._pause = pause
        self._no_answer = self._detail = f"{server} does not answer at the moment; try again."
        self._open = False
        self._try_again_at = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Run a block; raise BrokerUnavailable if the server does not answer, WritesRefused if it cannot write.

        Raise DamagedKey if another program has overwritten a key that the block needs.
        """
        now = time.monotonic()
        if self._open and now < self._try_again_at:
            raise BrokerUnavailable(self._detail)
        self._try_again_at = now + self._pause
        try:
            yield
        except BeingSent as error:  # the server has answered
            self._open = False
            raise BrokerUnavailable(str(error)) from error
        except (OperationalError, RedisError) as error:
            self._open = _is_outage(error)
            if refusal := _refusal(error):
                raise WritesRefused(refusal) from error
            if is_damage(error):
                raise damaged(error) from error
            if not self._open:
                raise
            self._try_again_at = time.monotonic() + self._pause
            self._detail = str(error) if isinstance(error, PublishRefused) else self._no_answer
            raise BrokerUnavailable(self._detail) from error
        except Exception:  # such as a 404: the server has answered
            self._open = False
            raise
        self._open = False


def damaged(error: Exception) -> DamagedKey:
    """Return the error for clients, which names the key if the transport's error does."""
    key = overwritten.name_in(error)
    text = f"Another program has overwritten the key {key!r} in Redis; delete it and try again."
    return DamagedKey(text if key else "")


def _refusal(error: Exception) -> str | None:
    return next((explanation for text, explanation in REFUSALS.items() if text in str(error)), None)


def is_for_good(error: Exception) -> bool:
    """Tell whether Redis has answered that it cannot do this with the keys as they are: trying again does not help."""
    text = str(error)
    failed = "WRONGTYPE" in text or "user_script" in text  # the latter in each error of a script
    return failed and not (_refusal(error) or _is_outage(error) or any(word in text for word in NOT_ALLOWED))


def _is_outage(error: Exception) -> bool:
    """Tell whether an error means that the server did not answer."""
    cause = error.__cause__ if isinstance(error, OperationalError) else error
    answered = isinstance(cause, RedisError) and not isinstance(recoverable(cause), ConnectionError | TimeoutError)
    return not _refusal(error) and not answered
