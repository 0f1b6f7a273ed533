"""The interface of all brokers: everything that the rest of the project may ask of a broker.

`broker_for(settings)` chooses the class once, for the Celery app, which has it as `app.broker`. Code outside of
`project/brokers/` calls these methods and never asks which kind of broker it is.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from functools import cached_property, partial
from typing import Any, ClassVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from celery import Celery, uuid
from celery.utils.saferepr import saferepr
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from project import redis_clients
from project.brokers import queue_depths
from project.brokers.published import Published
from project.check import Check
from project.leased_transport import JobExists, keys
from project.leased_transport.control import Outcome
from project.leased_transport.script_batch import ScriptBatch
from project.settings import Settings

#: Celery's options that are the same for all brokers.
COMMON: dict[str, Any] = {
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_pool_limit": 40,  # as many connections as FastAPI has threads, so that none waits for another
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "task_publish_retry": False,
    "task_track_started": True,
    "task_default_priority": keys.DEFAULT_PRIORITY,
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,  # fetch a job only when a slot is free: the rest stays for other consumers
}


class PublishRefused(OperationalError):
    """The broker answers, but accepts no messages at the moment; the text is meant for clients."""


class BeingSent(OperationalError):
    """Another producer is sending the same job, or was killed while it did; the text is meant for clients."""


class Broker(ABC):
    """A broker of the kind that BROKER_URL names."""

    kind: ClassVar[str]  # stored in the records of jobs and consumers, and in the keys broker:<kind>
    #: The name of the server if it is not Redis: it may then be away on its own, while job records can be read.
    separate_server: ClassVar[str] = ""
    #: Whether admission takes a message out of the Redis list `inbox` in the same step that makes it a job.
    admits_in_one_step: ClassVar[bool] = False
    #: Fields of an overview that this kind of broker cannot know.
    unknown: ClassVar[tuple[str, ...]] = ()
    #: Whether QUEUE_LIMIT applies.
    has_limits: ClassVar[bool] = True
    #: The pool that CONSUMER_POOL=auto stands for.
    best_pool: ClassVar[str] = "prefork"
    app: Celery  # set by attach()
    scripts: ScriptBatch  # set by in_event_loop()
    _loop: asyncio.AbstractEventLoop | None = None
    _slots: CapacityLimiter

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def attach(self, app: Celery) -> None:
        """Make this the broker of an app."""
        self.app = app
        app.broker = self

    @cached_property
    def redis(self) -> Redis:
        """A client of the Redis that holds the job records."""
        return redis_clients.client(self.settings)

    @property
    def url(self) -> str:
        """The broker's URL, as Celery reads it."""
        return self.settings.broker

    @property
    def pool(self) -> str:
        """The pool in which consumers run jobs."""
        chosen = self.settings.consumer_pool
        return self.best_pool if chosen == "auto" else chosen

    @property
    def management_api(self) -> str:
        """The URL of an HTTP API from which Flower learns of queues; without one (""), it counts jobs in Redis."""
        return ""

    def celery_options(self) -> dict[str, Any]:
        """Return Celery's options that select this broker and where results go."""
        timeout = self.settings.redis_timeout
        # all three URLs: `celery -b` and Celery itself also read BROKER_URL and CELERY_BROKER_URL, untranslated
        options = COMMON | dict.fromkeys(("broker_url", "broker_read_url", "broker_write_url"), self.url)
        options |= dict.fromkeys(("broker_connection_timeout", "broker_pool_acquire_timeout"), timeout)
        options |= dict.fromkeys(("redis_socket_timeout", "redis_socket_connect_timeout"), timeout)
        return options | {"result_expires": self.settings.result_ttl}

    def make_queue(self, name: str) -> Queue:
        """Return the declaration of a queue."""
        return Queue(name, Exchange(name), routing_key=name)

    @asynccontextmanager
    async def in_event_loop(self) -> AsyncIterator[None]:
        """Allow publishing and reading jobs in the block's event loop without blocking it, with `self.scripts`."""
        self._loop = asyncio.get_running_loop()
        self.scripts = ScriptBatch(redis_clients.async_client(self.settings))
        self._slots = CapacityLimiter(COMMON["broker_pool_limit"])
        try:
            yield
        finally:
            await self.scripts.close()
            self._loop = None

    def is_in_event_loop(self) -> bool:
        """Tell whether the caller runs in the event loop of in_event_loop(), where publishing must not block."""
        return self._loop is not None and asyncio._get_running_loop() is self._loop

    def slot(self) -> AbstractAsyncContextManager[None]:
        """Wait for a thread to publish in, so that a caller can learn of an outage before its own attempt."""
        return self._slots

    def publish_async(
        self, task: Any, args: Any, kwargs: Any, job_id: str | None, options: dict[str, Any]
    ) -> Published:
        """Start publish() from the event loop, in a thread, because the broker's library blocks."""
        job_id = job_id or uuid()
        publish = partial(self.publish, task, args, kwargs, job_id, options)
        outcome = asyncio.ensure_future(run_sync(publish))
        return Published.of_outcome(task, job_id, outcome, options.get("ignore_result", task.ignore_result))

    @abstractmethod
    def publish(self, task: Any, args: Any, kwargs: Any, job_id: str | None, options: dict[str, Any]) -> Any:
        """Write the record of a job and send its message; return Celery's AsyncResult.

        *options* are those of apply_async, and `nonce`. Raises JobExists, QueueFull, or OperationalError while the
        broker or Redis is away; a running job that publishes waits until they are back.
        """

    def publish_many(self, task: Any, jobs: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Publish jobs of one task, given by id and keyword arguments; skip ids that are known already."""
        for job_id, kwargs in jobs:
            with suppress(JobExists):
                task.apply_async(kwargs=kwargs, task_id=job_id)

    @abstractmethod
    def requeue(self, job_ids: list[str]) -> list[str]:
        """Return failed or revoked jobs to their queues under the same ids; return the ids of the requeued jobs."""

    @abstractmethod
    def take_over(self) -> int:
        """Move the jobs that wait in another kind of broker to this one; return how many were moved."""

    def stop(self, job_id: str, outcome: Outcome) -> None:
        """Tell consumers to end the process of a running job that was cancelled.

        If no consumer receives the command, the run continues, and whatever it reports is refused.
        """
        with suppress(OperationalError):
            self.broadcast("stop_job", {"job_id": job_id, "run": self.run_name(outcome)})

    @abstractmethod
    def run_name(self, outcome: Outcome) -> str:
        """Return a value that distinguishes the stopped run of a job from its other runs."""

    def broadcast(self, command: str, arguments: dict[str, Any]) -> None:
        """Send a remote control command to all consumers; raise OperationalError while the broker is away.

        Celery's own broadcast() retries forever if the message cannot be sent.
        """
        exchange = self.app.control.mailbox.exchange
        message = {"method": command, "arguments": arguments, "destination": None, "pattern": None, "matcher": None}
        headers = {"clock": 0, "expires": 0}
        with library_errors(), self.producer() as producer:
            producer.publish(message, exchange=exchange.name, declare=[exchange], headers=headers, serializer="json")

    def producer(self) -> AbstractContextManager[Any]:
        """Return a context that lends a producer of messages."""
        return self.app.producer_pool.acquire(block=True, timeout=self.app.conf.broker_pool_acquire_timeout)

    def depths(self, queues: list[str]) -> dict[str, dict[str, Any]]:
        """Return how many jobs wait, are delayed and run, and the age in seconds of the oldest, for each queue."""
        return queue_depths.depths(self.redis, queues)

    def ping(self) -> None:
        """Raise the library's error unless jobs can be accepted."""
        self.redis.ping()

    def check(self) -> Check:
        """Check, within CHECK_TIMEOUT, that the broker accepts jobs and is set up as this stack requires."""
        try:
            with redis_clients.client(self.settings, self.url) as client:
                client.ping()
        except RedisError as error:
            return Check("broker", "failed", *redis_clients.explain(error, own=self.settings.own_broker))
        return Check("broker", "ok", "Redis answers")

    def foreign_lists(self, queues: Iterable[str]) -> list[str]:
        """Return the Redis lists to which Celery clients of other projects push jobs that no consumer reads there."""
        return []

    def queues_for_producers(self) -> list[Queue]:
        """Return the queues of the broker that producers read, in addition to the Redis list `inbox`."""
        return []


def hidden(task: Any, args: Any, kwargs: Any) -> dict[str, str]:
    """Return the options of apply_async that hide secret arguments in events; none if there are no secrets."""
    true = tuple(args or ()), dict(kwargs or {})
    if (redacted := task.redacted_call(*true)) == true:
        return {}
    return {"argsrepr": saferepr(redacted[0]), "kwargsrepr": saferepr(redacted[1])}


def transport_options(settings: Settings) -> dict[str, Any]:
    """Return the options of a Redis transport that fails in time instead of keeping a client waiting."""
    return {**redis_clients.timeouts(settings), "max_retries": 0}


@contextmanager
def library_errors() -> Iterator[None]:
    """Convert redis-py's errors to OperationalError, which Celery's own publishing raises."""
    try:
        yield
    except RedisError as error:
        raise OperationalError(str(error)) from error
