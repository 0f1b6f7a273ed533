"""Submit jobs, look them up, wait for them, cancel and requeue them: all that clients can do with jobs.

While Redis is away, new requests raise BrokerUnavailable, and clients that wait already go on waiting.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from uuid import uuid4

from anyio.to_thread import run_sync
from celery import Celery

from project.brokers import Broker
from project.celery_config.task import JobTask
from project.derived_ids import derived_id
from project.errors import (
    BrokerUnavailable,
    IdempotencyKeyReused,
    JobIdTaken,
    NotRequeueable,
    TooManyJobs,
    TooManyListeners,
    UnknownJob,
)
from project.job_models import ENDED, Accepted, Change, Consumer, Job, JobPage, Queue
from project.jobs import heartbeats, search
from project.jobs.circuit_breaker import CircuitBreaker
from project.jobs.job_events import PAUSE, Changes, Heard
from project.jobs.retry_after import RetryAfter
from project.jobs.submit_options import SubmitOptions
from project.leased_transport import JobExists, QueueFull, control, keys, records
from project.leased_transport.listing import Criteria
from project.settings import Settings

log = logging.getLogger("glassqueue.job")
AnyJob = Job[Any]  # once: finding the class of a generic model takes as long as reading a job


class Jobs:
    """The jobs of this installation, as the producer sees them."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self.app = app
        self._broker: Broker = app.broker
        self._redis = self._broker.redis
        self._retry_after = RetryAfter(self._redis, settings.queue_limit)
        self.available = CircuitBreaker(settings.redis_down_pause)
        self._sending = self._counting = self.available
        if server := self._broker.separate_server:
            # while that server is down, job records can still be read; while it only refuses messages, queues can too
            self._sending = CircuitBreaker(settings.redis_down_pause, f"{server} or Redis")
            self._counting = CircuitBreaker(settings.redis_down_pause, f"{server} or Redis")
        self._ttl = settings.result_ttl
        self._max_waiters = settings.max_waiters
        self.changes = Changes(settings)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Open the connections that are bound to the event loop, and close them when the app stops."""
        try:
            async with self._broker.in_event_loop():
                yield
        finally:
            await self.changes.close()

    def tasks(self) -> list[JobTask]:
        """Return the tasks that have a public route, by route."""
        public = [task for task in list(self.app.tasks.values()) if getattr(task, "route", None)]
        return sorted(public, key=lambda task: task.name)

    def task(self, name: str) -> JobTask | None:
        """Return the task of that name if it has a public route."""
        task = self.app.tasks.get(name)
        return task if getattr(task, "route", None) else None

    @contextmanager
    def admission(self) -> Iterator[None]:
        """Run a block that submits jobs; raise TooManyJobs if a queue is full, BrokerUnavailable during an outage."""
        with self._sending():
            try:
                yield
            except QueueFull as error:
                raise TooManyJobs(self._retry_after.seconds_until_room(error.queue)) from error

    async def submit(
        self, task: JobTask, arguments: dict[str, Any], options: SubmitOptions | None = None
    ) -> Accepted | Job[Any]:
        """Queue a job for the task with arguments that were validated before.

        Returns the first job instead if its Idempotency-Key was used before. Raises JobIdTaken, IdempotencyKeyReused
        or TooManyJobs; nothing was queued then.
        """
        options = options or SubmitOptions()
        job_id, record = options.job_id or options.request_id or str(uuid4()), {}
        if options.idempotency_key:
            job_id = derived_id("key", f"{task.name} {options.idempotency_key}")
            record = {"fingerprint": _fingerprint(arguments)}
        if options.edited_from:
            record["edited_from"] = options.edited_from
        wanted = task.with_options(task_id=job_id, headers=options.headers(record), **options.celery_options())
        async with self._broker.slot():
            with self._sending():
                for _ in range(2):  # a second time if the first job is forgotten between two of these steps
                    try:
                        await wanted.delay(**arguments)
                        _log("accepted", task, job_id, options)
                        return Accepted(job_id=job_id, task=task.name)
                    except JobExists:
                        with suppress(UnknownJob):
                            return await self._repeated(task, job_id, options, record)
                    except QueueFull as error:
                        raise TooManyJobs(await run_sync(self._retry_after.seconds_until_room, error.queue)) from error
        raise JobIdTaken

    async def _repeated(
        self, task: JobTask, job_id: str, options: SubmitOptions, record: dict[str, str]
    ) -> Accepted | Job[Any]:
        """Return the answer to a request that was sent before; raise JobIdTaken if the job is not that request's."""
        if options.job_id or not (options.idempotency_key or options.request_id):
            raise JobIdTaken
        first = await self._read(task, job_id)
        if options.idempotency_key and first.get("fingerprint") != record["fingerprint"]:
            raise IdempotencyKeyReused
        _log("repeated", task, job_id, options)
        if not options.idempotency_key:
            return Accepted(job_id=job_id, task=task.name)
        return AnyJob.from_record(job_id, first)

    async def look_up(self, task: JobTask | None, job_id: str, traceback: bool = False) -> Job[Any]:
        """Return the job (of that task, or of any) as it is now, or raise UnknownJob."""
        with self.available():
            return AnyJob.from_record(job_id, await self._read(task, job_id), traceback=traceback)

    async def _read(self, task: JobTask | None, job_id: str) -> dict[str, str]:
        record = await records.read_async(self._broker.scripts, job_id)
        if record is None or (task and record["task"] != task.name):
            raise UnknownJob
        return record

    async def wait(self, task: JobTask | None, job_id: str, seconds: float, traceback: bool = False) -> Job[Any]:
        """Return the job when it ends, or as it is after some seconds (at once if MAX_WAITERS listen already)."""
        job = await self.look_up(task, job_id, traceback)
        if job.ready or not seconds or self._is_full():
            return job
        return await self._wait(task, job_id, seconds, traceback)

    async def _wait(self, task: JobTask | None, job_id: str, seconds: float, traceback: bool) -> Job[Any]:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self.changes.watch(keys.job(job_id)) as changes:
                return await self._end_of(task, job_id, changes, traceback)
        return await self.look_up(task, job_id, traceback)

    async def _end_of(
        self, task: JobTask | None, job_id: str, changes: asyncio.Queue[Heard], traceback: bool
    ) -> Job[Any]:
        change: Heard = None
        while True:
            # None: no change has arrived yet, or changes may have been missed, so the job may have ended already
            if change is None or change.status in ENDED:
                job = await self._look_up_patiently(task, job_id, traceback)
                if job.ready:
                    return job
            change = await changes.get()

    async def _look_up_patiently(self, task: JobTask | None, job_id: str, traceback: bool = False) -> Job[Any]:
        while True:
            try:
                return await self.look_up(task, job_id, traceback)
            except BrokerUnavailable:  # a client that waits can wait until Redis is back
                await asyncio.sleep(PAUSE)

    def require_room(self) -> None:
        """Raise TooManyListeners if MAX_WAITERS clients already wait for jobs or follow them."""
        if self._is_full():
            raise TooManyListeners

    def _is_full(self) -> bool:
        return self.changes.listeners >= self._max_waiters

    async def follow(self, task: JobTask | None, job_id: str) -> AsyncIterator[Job[Any] | Change]:
        """Yield the job as it is, then each change, and the job again when it reports progress or has ended.

        Raises UnknownJob if the job is deleted in the meantime.
        """
        async with self.changes.watch(keys.job(job_id)) as changes:
            job = await self._look_up_patiently(task, job_id)
            yield job
            status: str = job.status
            while not job.ready:
                change = await changes.get()
                if change and change.status not in (*ENDED, status):
                    status = change.status
                    yield change
                else:
                    job = await self._look_up_patiently(task, job_id)
                    yield job

    async def cancel_or_collect(
        self, task: JobTask | None, job_id: str, seconds: float = 0, traceback: bool = False
    ) -> Job[Any]:
        """Return and forget a job when it ends, or cancel it after some seconds; UnknownJob the second time.

        Raises TooManyListeners if MAX_WAITERS listen already: to cancel at once is not what the client has asked for.
        """
        if seconds and not (await self.look_up(task, job_id)).ready:
            self.require_room()
            await self._wait(task, job_id, seconds, traceback=False)
        # shielded: if the client disconnects, a cancelled job must still be stopped
        outcome = await asyncio.shield(self._cancel_or_collect(task, job_id))
        return AnyJob.from_record(job_id, outcome.record, traceback=traceback)

    async def _cancel_or_collect(self, task: JobTask | None, job_id: str) -> control.Outcome:
        with self.available():
            outcome = await control.cancel_or_collect_async(
                self._broker.scripts, job_id, task.name if task else "", self._ttl
            )
            if outcome is None:
                raise UnknownJob
            if outcome.action == "stopped":
                await run_sync(self._broker.stop, job_id, outcome)
        return outcome

    def requeue(self, job_id: str) -> Accepted:
        """Requeue a failed or revoked job; raise UnknownJob or NotRequeueable."""
        with self.admission():
            record = records.read(self._redis, job_id)
            if record is None:
                raise UnknownJob
            if not self._broker.requeue([job_id]):
                raise NotRequeueable
        return Accepted(job_id=job_id, task=record["task"])

    def recent(self, criteria: Criteria, limit: int, before: float | None) -> JobPage:
        """Return recent jobs, newest first."""
        with self.available():
            return search.page(self.app, criteria, limit, before)

    def queues(self) -> list[Queue]:
        """Return how deep each queue is."""
        with self._counting():
            depths = self._broker.depths(self._queues())
        return [Queue.model_validate({"queue": name, **depth}) for name, depth in depths.items()]

    def consumers(self) -> list[Consumer]:
        """Return the live consumers, and the jobs that each runs."""
        with self.available():
            return [Consumer.model_validate(each) for each in heartbeats.consumers(self._redis, self._queues())]

    def _queues(self) -> list[str]:
        return sorted(self.app.amqp.queues)

    def ping(self) -> None:
        """Raise BrokerUnavailable unless jobs can be accepted."""
        with self._counting():
            self._broker.ping()


def _log(event: str, task: JobTask, job_id: str, options: SubmitOptions) -> None:
    """Log a job with NGINX's request id, in the format of NGINX's log, or with `none` if it came without NGINX."""
    request, queue = (options.request_id or "").replace("-", "") or "none", options.queue or task.queue_name
    log.info("%s job_id=%s request_id=%s task=%s queue=%s", event, job_id, request, task.name, queue)


def _fingerprint(arguments: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()
