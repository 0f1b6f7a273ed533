"""Another way in: what any program pushes onto the Redis list `inbox` becomes a job, or is put aside with a reason."""

import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from anyio.to_thread import run_sync
from pydantic import BaseModel
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from project.broker import records
from project.broker.scripts import Script
from project.celery_config import amqp
from project.celery_config.job import JobTask
from project.errors import BrokerUnavailable, JobIdTaken, TooManyJobs
from project.jobs import amqp_reader, dead_letters, messages
from project.jobs.amqp_reader import AmqpReader, Delivery
from project.jobs.control import LUA
from project.jobs.messages import BadMessage, Message
from project.jobs.service import Jobs
from project.jobs.submission import Submission
from project.settings import Settings

INBOX, REJECTED = "inbox", "inbox:rejected"
KEPT = 10_000  # rejected messages; older ones are dropped
SHOWN = 10_000  # characters of a rejected message; they share Redis' memory with the jobs
WAIT = 1  # seconds: how long to block, how often to look for Celery's messages
PAUSES = (0.1, 2.0)  # seconds until the next try: the first, and the longest
PUT_ASIDE = Script("put_aside", LUA)

log = logging.getLogger(__name__)


class Inbox:
    """Reads the inbox in a thread of its own, message by message, for as long as the producer runs.

    A message stays in the list until admission takes it out in the step that makes it a job. So it cannot be lost or
    become two jobs, whichever producer dies when and however many read: who comes second finds it gone.
    """

    def __init__(self, jobs: Jobs, settings: Settings, arguments_model: Callable[[JobTask], type[BaseModel]]) -> None:
        self._jobs = jobs
        self._tasks = {task.name: (task, arguments_model(task)) for task in jobs.tasks()}
        self._queues = {name for task in jobs.tasks() for name in task.app.amqp.queues}
        self._of_celery = [] if messages.NOT_CHOSEN in self._queues else records.lists(messages.NOT_CHOSEN)
        self._one_step = settings.broker == settings.records  # else the broker is not where the inbox is
        self._redis: Any = Redis.from_url(
            settings.records,
            socket_timeout=WAIT + settings.redis_timeout,
            socket_connect_timeout=settings.redis_timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._readers = list(self._amqp_readers(settings)) if amqp.is_amqp(settings.broker) else []
        self._stop = threading.Event()
        self._due = 0.0

    @asynccontextmanager
    async def lifespan(self, app: object) -> AsyncIterator[None]:
        """Read for as long as the app runs."""
        threads = [threading.Thread(target=self._run, args=(self._next,), name="inbox", daemon=True)]
        for reader in self._readers:
            threads.append(threading.Thread(target=self._run_amqp, args=(reader,), name="reader", daemon=True))
        async with self._jobs.lifespan(app):
            for thread in threads:
                thread.start()
            yield
            self._stop.set()
            end = time.monotonic() + 2 * WAIT
            for thread in threads:
                await run_sync(thread.join, max(0, end - time.monotonic()))
            self._redis.close()

    def _amqp_readers(self, settings: Settings) -> Iterator[AmqpReader]:
        app = self._jobs.app
        yield AmqpReader(app, amqp_reader.INBOX, self._deal_with)
        yield AmqpReader(app, amqp.dead_queue(), partial(dead_letters.end_job, app, settings.max_attempts))

    def _run_amqp(self, reader: AmqpReader) -> None:
        self._run(partial(reader.step, WAIT))
        reader.close()

    def _run(self, step: Callable[[], None]) -> None:
        pause, longest = PAUSES
        while not self._stop.is_set():
            try:
                step()
                pause = PAUSES[0]
            except (RedisError, BrokerUnavailable, TooManyJobs) as error:
                if pause < longest <= 2 * pause:  # once, and not for a hiccup
                    log.warning("the inbox has to wait: %r", error)
                self._stop.wait(pause)
                pause = min(2 * pause, longest)

    def _next(self) -> None:
        """Wait a moment for a message, and deal with it."""
        if time.monotonic() >= self._due and not self._collect():
            self._due = time.monotonic() + WAIT
        # from the list's end to its end: the one way to wait for a message and leave it where it is
        if text := self._redis.blmove(INBOX, INBOX, WAIT, "RIGHT", "RIGHT"):
            self._deal_with(text)

    def _collect(self) -> bool:
        """Move the next messages of Celery clients into the inbox; return whether there were any."""
        pipeline = self._redis.pipeline(transaction=False)
        for name in self._of_celery:
            pipeline.rpoplpush(name, INBOX)
        return any(pipeline.execute())

    def _deal_with(self, text: bytes, delivery: Delivery | None = None) -> None:
        """Make a message of the list, or one that RabbitMQ has delivered, a job, or put it aside."""
        put_aside = self._keep if delivery else self._put_aside
        try:
            self._submit(text, delivery)
        except (RedisError, BrokerUnavailable, TooManyJobs):
            raise
        except BadMessage as error:
            put_aside(text, str(error))
        except Exception:  # a message that nobody thought of must not stop those behind it
            log.exception("a message could not be read")
            put_aside(text, "the producer made a mistake; its log says more")

    def _submit(self, text: bytes, delivery: Delivery | None) -> None:
        message = messages.read(text)
        task, model = self._task_of(message)
        taken_from = (INBOX, text) if self._one_step else None
        job_id = message.job_id or (delivery.job_id if delivery else None)
        wish = Submission(
            job_id, eta=message.eta, priority=message.priority, queue=message.queue, taken_from=taken_from
        )
        submit = partial(self._jobs.submit, task, message.arguments(model), wish)
        try:
            submit() if self._one_step or delivery else self._take_out_and(submit, text)
        except JobIdTaken as error:
            done_before = delivery.again if delivery else not job_id  # then another producer was quicker
            if not done_before:
                raise BadMessage(str(error)) from None

    def _task_of(self, message: Message) -> tuple[JobTask, type[BaseModel]]:
        if message.task not in self._tasks:
            raise BadMessage(f"no task is called {message.task!r}; GET /producer/api/tasks lists them")
        task, model = self._tasks[message.task]
        if message.queue is not None and message.queue not in self._queues:
            raise BadMessage(f"no queue is called {message.queue!r}; GET /producer/api/queues lists them")
        return task, model

    def _take_out_and(self, submit: Callable[[], object], text: bytes) -> None:
        """Submit in two steps, as other brokers need it: a producer that is killed in between loses the message."""
        if self._redis.lrem(INBOX, -1, text):
            try:
                submit()
            except Exception:
                self._redis.rpush(INBOX, text)
                raise

    def _put_aside(self, text: bytes, reason: str) -> None:
        if PUT_ASIDE(self._redis, [INBOX, REJECTED], [text, _told(text, reason), KEPT]):
            log.warning("rejected a message of the inbox: %s", reason)

    def _keep(self, text: bytes, reason: str) -> None:
        """Put a message aside that RabbitMQ gives up when it is acknowledged."""
        self._redis.pipeline().lpush(REJECTED, _told(text, reason)).ltrim(REJECTED, 0, KEPT - 1).execute()
        log.warning("rejected a message of the inbox: %s", reason)


def _told(text: bytes, reason: str) -> str:
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = text.decode(errors="backslashreplace")
    told = {"message": message[:SHOWN], "reason": reason, "at": at}
    return json.dumps(told | {"length": len(message)} if len(message) > SHOWN else told)
