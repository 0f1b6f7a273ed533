"""The overview of the installation: one sampler per producer feeds all pages, and rests without listeners."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from project.errors import BrokerUnavailable, GlassqueueError, TooManyEventListeners
from project.jobs import frame, sample
from project.jobs.change_sample import ChangeSample
from project.jobs.circuit_breaker import damaged
from project.jobs.job_events import Changes
from project.jobs.window import Point, Window
from project.leased_transport.scripts import is_damage
from project.settings import Settings

INTERVALS = 0.25, 0.5  # seconds between two samples: while there are few changes, and many
MANY = 300  # changes per second
IDLE = 1  # seconds between two frames while nothing changes
SHARE = 10  # a pause is this many times as long as the sample before it, up to IDLE seconds
PATIENCE = 1.8  # seconds that a single look waits for its samples

log = logging.getLogger(__name__)

Listener = asyncio.Queue[bytes]


class Overview:
    """Samples while somebody listens, and sends each frame to at most *limit* listeners."""

    def __init__(self, app: Celery, settings: Settings, changes: Changes, name: str) -> None:
        self._broker, self._settings, self._name = app.broker, settings, name
        self._queues: Iterable[str] = app.amqp.queues  # consumers may announce more
        self._limit = settings.max_event_listeners
        self._listeners: set[Listener] = set()
        self._looking = 0
        self._sampler: asyncio.Task[None] | None = None
        self._change_sample = ChangeSample(changes)
        self._window = Window()
        self._thread = CapacityLimiter(1)
        self._sampled = asyncio.Condition()
        self._stale_since: float | None = None
        self._problem: GlassqueueError = BrokerUnavailable()  # why it is stale
        self._snapshot: frame.Snapshot | None = None
        self._sent_at = 0.0

    @property
    def pages(self) -> int:
        """Return how many clients follow the overview."""
        return len(self._listeners)

    @asynccontextmanager
    async def listener(self) -> AsyncIterator[Listener]:
        """Listen while the block runs: the queue has the newest frame only. Raise TooManyEventListeners."""
        if len(self._listeners) >= self._limit:
            raise TooManyEventListeners
        listener: Listener = asyncio.Queue(1)
        self._listeners.add(listener)
        self._begin()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            self._end()

    async def look(self) -> frame.Snapshot:
        """Return the overview as it is now, with the chart of the last minutes.

        Raises BrokerUnavailable or DamagedKey.
        """
        self._looking += 1
        self._begin()
        try:
            async with asyncio.timeout(PATIENCE), self._sampled:
                await self._sampled.wait_for(lambda: self._stale_since or (len(self._window) > 1 and self._is_recent()))
        except TimeoutError:
            raise BrokerUnavailable from None
        finally:
            self._looking -= 1
            self._end()
        if self._stale_since or not self._snapshot:
            raise self._problem
        return self._snapshot | {"history": self._window.history()}

    def _is_recent(self) -> bool:
        return bool(self._snapshot) and time.time() - self._window.newest.at < 2 * IDLE

    def _begin(self) -> None:
        if self._sampler is None or self._sampler.done():
            self._stale_since = None  # of an outage that may be over
            self._sampler = asyncio.create_task(self._run())

    def _end(self) -> None:
        if not self._listeners and not self._looking and self._sampler:
            self._sampler.cancel()
            self._sampler = None  # it may end later than the next one begins

    async def _run(self) -> None:
        collector = asyncio.create_task(self._change_sample.collect())
        try:
            while True:
                begun = time.monotonic()
                await self._sample()
                took = time.monotonic() - begun
                interval = INTERVALS[self._rate() > MANY] if self._stale_since is None else IDLE
                await asyncio.sleep(max(interval - took, min(SHARE * took, IDLE) if took < interval else 0))
        finally:
            collector.cancel()
            with suppress(asyncio.CancelledError):
                await collector

    async def _sample(self) -> None:
        try:
            taken = await run_sync(sample.take, self._broker, sorted(self._queues), limiter=self._thread)
            self._send(self._describe(self._window.add(taken)))
            self._stale_since = None
        except (RedisError, OperationalError) as error:
            log.debug("cannot sample the queues for the overview: %r", error)
            self._problem = damaged(error) if is_damage(error) else BrokerUnavailable()
            self._mark_stale()
        except Exception:  # one bad entry must not stop the overview
            log.exception("cannot sample the queues for the overview")
            self._mark_stale()
        async with self._sampled:
            self._sampled.notify_all()

    def _mark_stale(self) -> None:
        """Send the last frame again, marked as stale."""
        self._stale_since = self._stale_since or time.time()
        if self._snapshot:
            now = {"at": round(time.time(), 3), "stale_since": self._stale_since, "pages": self.pages, "point": None}
            self._send(self._snapshot | now | {"changes": {"total": 0, "jobs": [], "shown": 0}})

    def _rate(self) -> float:
        """Return the number of changes per second."""
        return sum(rate or 0 for rate in self._window.rates().values()) if len(self._window) else 0

    def _send(self, snapshot: frame.Snapshot) -> None:
        """Send a frame to all listeners; if nothing has changed since the last frame, only after IDLE seconds."""
        last = self._snapshot
        if not last or _has_news(last, snapshot) or time.monotonic() >= self._sent_at + IDLE:
            encoded, self._sent_at = frame.encode(snapshot), time.monotonic()
            for listener in self._listeners:
                if listener.full():
                    listener.get_nowait()
                listener.put_nowait(encoded)
        self._snapshot = snapshot

    def _describe(self, point: Point | None) -> frame.Snapshot:
        newest = self._window.newest
        jobs = self._change_sample.take(self._rate())
        rates: dict[str, Any] = self._window.rates()
        rates["requests"] = round(sum(each["requests"] for each in newest.producers), 1)
        return {
            "at": round(newest.at, 3),
            "producer": self._name,
            "broker": self._broker.kind,
            "stale_since": None,
            "unknown": list(self._broker.unknown),
            "pages": self.pages,
            "queues": [self._queue(name, depth) for name, depth in newest.queues.items()],
            "queues_total": len(newest.queues),
            "consumers": [_consumer(each) for each in newest.consumers],
            "consumers_total": len(newest.consumers),
            "producers": newest.producers,
            "producers_total": len(newest.producers),
            "rates": rates,
            "changes": {"total": self._window.changes(), "jobs": jobs, "shown": len(jobs)},
            "point": point,
            "theory": self._window.theory(),
        }

    def _queue(self, name: str, depth: dict[str, Any]) -> dict[str, Any]:
        limit = self._settings.queue_limit if self._broker.has_limits else 0
        known = {field: None if field in self._broker.unknown else value for field, value in depth.items()}
        if known["oldest_age"] is not None:
            known["oldest_age"] = round(known["oldest_age"], 1)
        return {"queue": name, **known, "limit": limit or None, "rates": self._window.rates(name)}


def _consumer(consumer: dict[str, Any]) -> dict[str, Any]:
    busy = [each | {"since": float(each["since"])} for each in consumer["busy"]]
    names = ("name", "pool", "slots", "queues", "up_since", "done")
    return {name: consumer.get(name) for name in names} | {"busy": busy, "busy_total": len(busy)}


def _has_news(last: frame.Snapshot, snapshot: frame.Snapshot) -> bool:
    """Tell whether something has changed except for the time."""
    changed = snapshot["changes"]["total"] or snapshot["changes"]["jobs"] or snapshot["point"]
    names = ("stale_since", "pages", "queues", "consumers", "producers", "rates")
    return bool(changed) or any(last[name] != snapshot[name] for name in names)
