"""Celery's own Redis transport (`redis+stock://`), for comparison: delivery is Celery's, records are ours."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import Redis

from project import redis_clients
from project.brokers import queue_depths
from project.brokers.base import transport_options
from project.brokers.celery_broker import CeleryBroker
from project.brokers.job_records import OF_ONE_SENDING, JobMessage
from project.brokers.queue_depths import STOCK_PREFIX
from project.leased_transport import keys

TIMEOUT = "visibility_timeout"


class StockBroker(CeleryBroker):
    """Queues are lists of messages in any Redis; a prefix separates their keys from those of the leased transport."""

    kind = "stock"
    unknown = ("oldest_age",)
    has_limits = False

    @property
    def url(self) -> str:
        """The broker's URL, as Celery reads it: without the option that kombu does not accept in a URL."""
        url = urlsplit(self.settings.broker)
        query = [(name, value) for name, value in parse_qsl(url.query) if name != TIMEOUT]
        return url._replace(scheme="redis", query=urlencode(query)).geturl()

    @cached_property
    def messages(self) -> Redis:
        """A client of the Redis that holds the messages."""
        return redis_clients.client(self.settings, self.url)

    def celery_options(self) -> dict[str, Any]:
        """Return the options of kombu's transport."""
        transport = transport_options(self.settings)
        transport |= {"global_keyprefix": STOCK_PREFIX, "priority_steps": keys.PRIORITY_STEPS}
        transport |= self._visibility_timeout()
        return super().celery_options() | {"broker_transport_options": transport}

    def _visibility_timeout(self) -> dict[str, float]:
        """Return the options for ?visibility_timeout=SECONDS in BROKER_URL.

        With it, kombu looks for timed-out jobs every second: its default, 100 seconds, would hide a short timeout.
        """
        query = dict(parse_qsl(urlsplit(self.settings.broker).query))
        if TIMEOUT not in query:
            return {}
        return {TIMEOUT: float(query[TIMEOUT]), "unacked_restore_interval": 1, "unacked_restore_throttle": 1}

    def send(self, message: JobMessage) -> Any:
        """Send a message; QUEUE_LIMIT does not apply."""
        return message.publish(**{name: message.options[name] for name in OF_ONE_SENDING & message.options.keys()})

    def depths(self, queues: list[str]) -> dict[str, dict[str, Any]]:
        """Return how many jobs wait, are delayed and run, per queue; the messages are in a Redis of their own."""
        return queue_depths.depths(self.redis, queues, self.messages)

    def foreign_lists(self, queues: Iterable[str]) -> list[str]:
        """Return the queues' names without the prefix, which Celery clients of other projects do not know."""
        return [name for queue in sorted(queues) for name in keys.waiting(queue)]
