"""Celery's event dispatcher, with a cheaper path for the events of a consumer's jobs."""

from typing import Any

from celery.events.dispatcher import EventDispatcher
from celery.utils.time import utcoffset
from redis import Redis

from .event_feed import ROUTING_KEY, EventFeed


class Dispatcher(EventDispatcher):
    """Sends the events of a consumer's jobs through a feed; Celery sends all others, such as heartbeats, as usual."""

    _feed: EventFeed | None = None

    def enable(self) -> None:
        """Open a feed in a consumer: only its dispatcher buffers the events of jobs."""
        if "task" in self.buffer_group:
            channel = self.connection.default_channel
            # before the topic: _get_pool() also fills the database number into the prefix of topics
            client = Redis(connection_pool=channel._get_pool())
            topic = channel._get_publish_topic(self.exchange.name, ROUTING_KEY)
            self._feed = EventFeed(client, topic, self.exchange.name, self._complete)
        super().enable()

    def _complete(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        common = {"hostname": self.hostname, "pid": self.pid, "utcoffset": utcoffset()}
        return [event | common | {"clock": self.clock.forward()} for event in events]

    def send(self, type: str, *args: Any, **fields: Any) -> None:  # noqa: A002
        """Send an event."""
        if self._feed is None or not type.startswith("task-"):
            super().send(type, *args, **fields)
        elif self.enabled and (not self.groups or "task" in self.groups):
            self._feed.add(type, fields)

    def extend_buffer(self, other: EventDispatcher) -> None:
        """Take over what another dispatcher, whose connection was lost, has not sent."""
        super().extend_buffer(other)
        if self._feed and isinstance(other, Dispatcher) and other._feed:
            self._feed.take_over(other._feed)

    def close(self) -> None:
        """Send what is left, and stop."""
        super().close()
        if self._feed:
            self._feed.close()
