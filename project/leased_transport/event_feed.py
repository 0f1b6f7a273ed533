"""Publish the events of jobs for Flower: a thread sends them in batches, on a connection of its own."""

import json
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import orjson
from redis import Redis
from redis.exceptions import RedisError

from . import keys, scripts
from .event_selection import BEGIN, EventSelection

logger = logging.getLogger(__name__)

BATCH_SECONDS = 0.05  # that an event waits for others, to share a message with them
ASKING_SECONDS = 1.0  # between two batches without a listener
BATCH_LIMIT = 1000  # events of one message
WAITING_LIMIT = 10_000  # events; when more wait, because Redis is away, new jobs are left out
ROUTING_KEY = "task.multi"  # Celery's name for a message with several events

Complete = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


class EventFeed:
    """The events that wait to be published, and the thread that publishes them."""

    def __init__(self, client: Redis, topic: str, exchange: str, complete: Complete) -> None:
        """Begin to publish.

        topic, exchange: the names of Redis's channel and of kombu's exchange. complete: adds the fields that all events
        share to each event of a batch.
        """
        self._client, self._topic, self._exchange, self._complete = client, topic, exchange, complete
        self._selection = EventSelection()
        self._events: deque[dict[str, Any]] = deque()
        self._published_at = 0.0
        # reentrant: Celery's signal handler, which stops a consumer, also adds events, perhaps in the middle of add()
        self._lock, self._publishing = threading.RLock(), threading.RLock()
        self._wake, self._closed = SimpleQueue[None](), threading.Event()
        threading.Thread(target=self._run, name="events", daemon=True).start()

    def add(self, kind: str, fields: dict[str, Any]) -> None:
        """Publish an event soon, if its job is among those that are followed."""
        with self._lock:
            if kind == BEGIN and len(self._events) >= WAITING_LIMIT:
                return
            if self._selection.includes(kind, fields.get("uuid", "")):
                self._events.append({"type": kind, "timestamp": time.time()} | fields)
                if len(self._events) == 1:
                    self._wake.put(None)

    def take_over(self, other: "EventFeed") -> None:
        """Go on with the events of a feed that was closed because its connection was lost."""
        with self._lock:
            self._events.extendleft(reversed(other._events))
            self._selection.take_over(other._selection)
        self._wake.put(None)

    def close(self) -> None:
        """Stop, and publish what is left; if Redis is away, it stays for take_over()."""
        if not self._closed.is_set():
            self._closed.set()
            self._wake.put(None)
            self._try_to_publish()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.get()
            while self._events and not self._closed.wait(self._pause()):
                self._try_to_publish()

    def _pause(self) -> float:
        """Return the seconds until the next batch: a moment, or longer if nobody listened to the last one."""
        asking = 0.0 if self._selection.heard else self._published_at + ASKING_SECONDS - time.monotonic()
        return max(BATCH_SECONDS, asking)

    def _try_to_publish(self) -> None:
        try:
            with self._publishing:  # else close() could overtake a batch of the thread
                self._publish()
        except Exception as exc:
            log = logger.debug if isinstance(exc, RedisError | OSError) else logger.exception
            log("cannot publish %d events: %r", len(self._events), exc)
            self._closed.wait(ASKING_SECONDS)

    def _publish(self) -> None:
        """Publish one batch; if that fails, its events stay, in their order."""
        with self._lock:
            batch = [self._events.popleft() for _ in range(min(len(self._events), BATCH_LIMIT))]
            begun = self._selection.begun()
        if not batch:
            return
        try:
            arguments = [self._topic, self._message(batch), begun]
            listeners, rate = scripts.PUBLISH_EVENTS(self._client, [keys.EVENT_RATE], arguments)
        except BaseException:
            self._events.extendleft(reversed(batch))
            raise
        self._published_at = time.monotonic()
        with self._lock:
            self._selection.learn(listeners, rate)
            if not listeners:  # otherwise a new listener would get these jobs' events without their beginning
                self._events.clear()

    def _message(self, batch: list[dict[str, Any]]) -> bytes:
        """Return a message as kombu's fanout exchange writes it."""
        events = self._complete(batch)
        properties = {
            "delivery_mode": 1,
            "delivery_info": {"exchange": self._exchange, "routing_key": ROUTING_KEY},
            "priority": 0,
            "body_encoding": None,
            "delivery_tag": secrets.token_urlsafe(9),
        }
        message = {
            "body": _encode(events),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"hostname": events[0]["hostname"]},
            "properties": properties,
        }
        return orjson.dumps(message)


def _encode(events: list[dict[str, Any]]) -> str:
    try:
        return orjson.dumps(events, default=str).decode()
    except TypeError:  # text with lone surrogates, or an integer of more than 64 bits
        return json.dumps(events, default=str)
