"""Another way in: what any program pushes onto the Redis list `inbox` becomes a job, or is put aside with a reason."""

import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial

from anyio.to_thread import run_sync
from kombu.exceptions import OperationalError
from pydantic import BaseModel
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from project.brokers import rabbitmq
from project.celery_config.task import JobTask
from project.errors import BrokerUnavailable, JobIdTaken, TooManyJobs
from project.inbox import amqp_reader, dead_letters, messages, redis_list
from project.inbox.amqp_reader import AmqpReader, Delivery
from project.inbox.messages import BadMessage, Message
from project.inbox.redis_list import InboxList
from project.jobs.service import Jobs
from project.jobs.submit_options import SubmitOptions
from project.leased_transport import keys
from project.settings import Settings

WAIT = 1  # seconds: how long to block, how often to look for Celery's messages
PAUSES = (0.1, 2.0)  # seconds until the next try: the first, and the longest
LATER = (RedisError, OperationalError, BrokerUnavailable, TooManyJobs)  # what is no fault of the message

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
        of_celery = [] if messages.NOT_CHOSEN in self._queues else keys.waiting(messages.NOT_CHOSEN)
        if settings.broker.startswith("redis+stock:"):  # its own keys have a prefix that other programs do not know
            of_celery += [name for queue in sorted(self._queues) for name in keys.waiting(queue)]
        self._one_step = settings.broker == settings.records  # else the broker is not where the inbox is
        self._redis = Redis.from_url(
            settings.records,
            socket_timeout=WAIT + settings.redis_timeout,
            socket_connect_timeout=settings.redis_timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._list = InboxList(self._redis, of_celery)
        self._max_attempts = settings.max_attempts
        self._readers = list(self._amqp_readers()) if rabbitmq.is_amqp(settings.broker) else []
        self._stop = threading.Event()

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Read for as long as the app runs."""
        threads = [threading.Thread(target=self._run, args=(self._next,), name="inbox", daemon=True)]
        for reader in self._readers:
            threads.append(threading.Thread(target=self._run_amqp, args=(reader,), name="reader", daemon=True))
        for thread in threads:
            thread.start()
        yield
        self._stop.set()
        end = time.monotonic() + 2 * WAIT
        for thread in threads:
            await run_sync(thread.join, max(0, end - time.monotonic()))
        self._redis.close()

    def _amqp_readers(self) -> Iterator[AmqpReader]:
        yield AmqpReader(self._jobs.app, amqp_reader.INBOX, self._submit_delivered)
        yield AmqpReader(self._jobs.app, rabbitmq.dead_queue(), self._end_dead)

    def _run_amqp(self, reader: AmqpReader) -> None:
        self._run(partial(reader.step, WAIT))
        reader.close()

    def _run(self, step: Callable[[], None]) -> None:
        pause, longest = PAUSES
        while not self._stop.is_set():
            try:
                step()
                pause = PAUSES[0]
            except Exception as error:  # if this thread died, nobody would read any more
                if not isinstance(error, LATER):
                    log.exception("the inbox cannot be read")
                elif pause < longest <= 2 * pause:  # once, and not for a hiccup
                    log.warning("the inbox has to wait: %s: %s", type(error).__name__, error)
                self._stop.wait(pause)
                pause = min(2 * pause, longest)

    def _next(self) -> None:
        """Wait a moment for a message, and deal with it."""
        entry = self._list.next(WAIT)
        if entry is None:
            return
        too_long = entry.length > len(entry.text)
        reason = messages.TOO_LONG if too_long else self._obstacle(partial(self._submit, entry.text, None))
        if reason:
            self._list.reject(entry, reason)

    def _submit_delivered(self, delivery: Delivery) -> None:
        """Make a message that RabbitMQ has delivered a job, or put it aside."""
        if reason := self._obstacle(partial(self._submit, delivery.text, delivery)):
            self._list.keep(delivery.text, reason)

    def _end_dead(self, delivery: Delivery) -> None:
        """End the job of a message that RabbitMQ gave up, or put the message aside."""
        if reason := self._obstacle(partial(dead_letters.end_job, self._jobs.app, self._max_attempts, delivery)):
            self._list.keep(delivery.text, reason)

    def _obstacle(self, step: Callable[[], None]) -> str | None:
        """Deal with a message; return the reason if that can never work. Raises LATER if it may work later."""
        try:
            step()
        except BadMessage as error:
            return str(error)
        except LATER as error:
            if "WRONGTYPE" in str(error):
                return f"a key of this job in Redis has another type: {error}"
            raise
        except Exception:  # an unforeseen message must not stop those behind it
            log.exception("a message could not be read")
            return "internal error; see the producer's log"
        return None

    def _submit(self, text: bytes, delivery: Delivery | None) -> None:
        message = messages.read(text)
        task, model = self._task_of(message)
        taken_from = (redis_list.INBOX, text) if self._one_step else None
        job_id = message.job_id or (delivery.job_id if delivery else None)
        wish = SubmitOptions(
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
        if self._list.take_out(text):
            try:
                submit()
            except Exception:
                self._list.put_back(text)
                raise
