"""Turn the messages that other programs push onto the Redis list `inbox` into jobs, or reject them with a reason."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from anyio.to_thread import run_sync
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from project import redis_clients
from project.brokers import Broker, rabbitmq
from project.celery_config.task import JobTask
from project.errors import BrokerUnavailable, DamagedKey, JobIdTaken, TooManyJobs
from project.inbox import dead_letters, messages, redis_list
from project.inbox.amqp_reader import AmqpReader, Delivery
from project.inbox.messages import BadMessage, InboxMessage
from project.inbox.redis_list import InboxList
from project.jobs.circuit_breaker import is_for_good
from project.jobs.service import Jobs
from project.jobs.submit_options import SubmitOptions
from project.leased_transport import keys
from project.settings import Settings
from project.task_options.signature import Arguments

WAIT = 1  # seconds: how long to block, and how often to look for Celery's messages
PAUSES = (0.1, 2.0)  # seconds until the next attempt: the first, and the longest
TEMPORARY = (RedisError, OperationalError, BrokerUnavailable, TooManyJobs)  # temporary errors, not the message's fault

log = logging.getLogger(__name__)


class Inbox:
    """Read the inbox in a thread, message by message, while the producer runs.

    A message stays in the list until admission removes it in the same step that creates the job. So it cannot be lost
    or become two jobs, even if producers crash or several read it: the second one finds it gone.
    """

    def __init__(self, jobs: Jobs, settings: Settings, arguments_model: Callable[[JobTask], type[Arguments]]) -> None:
        self._jobs = jobs
        broker: Broker = jobs.app.broker
        self._arguments_model, self._queues = arguments_model, jobs.app.amqp.queues
        of_celery = [] if messages.CELERY_QUEUE in self._queues else keys.waiting(messages.CELERY_QUEUE)
        self._one_step = broker.admits_in_one_step
        self._redis = redis_clients.client(
            settings, socket_timeout=WAIT + settings.redis_timeout, retry=redis_clients.NO_RETRY
        )
        self._list = InboxList(self._redis, of_celery + broker.foreign_lists(self._queues))
        self._max_attempts = settings.max_attempts
        handlers = {rabbitmq.INBOX.name: self._submit_delivered, rabbitmq.DEAD: self._end_dead}
        queues = broker.queues_for_producers()
        self._readers = [AmqpReader(jobs.app, queue, handlers[queue.name]) for queue in queues]
        self._stop = threading.Event()

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Read while the app runs."""
        self._loop = asyncio.get_running_loop()
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

    def _run_amqp(self, reader: AmqpReader) -> None:
        self._run(partial(reader.step, WAIT))
        reader.close()

    def _run(self, step: Callable[[], None]) -> None:
        pause, longest = PAUSES
        while not self._stop.is_set():
            try:
                step()
                pause = PAUSES[0]
            except Exception as error:  # if this thread died, no messages would be read
                if not isinstance(error, TEMPORARY):
                    log.exception("the inbox cannot be read")
                elif pause < longest <= 2 * pause:  # log once, and not for a short delay
                    log.warning("the inbox pauses, and will retry: %s: %s", type(error).__name__, error)
                self._stop.wait(pause)
                pause = min(2 * pause, longest)

    def _next(self) -> None:
        """Wait a moment for a message, and handle it."""
        self._list.put_back()  # what was removed before an outage
        entry = self._list.next(WAIT)
        if entry is None:
            return
        too_long = entry.length > len(entry.text)
        reason = messages.TOO_LONG if too_long else self._rejection(partial(self._submit, entry.text, None))
        if reason:
            self._list.reject(entry, reason)

    def _submit_delivered(self, delivery: Delivery) -> None:
        """Turn a message from RabbitMQ into a job, or reject it."""
        if reason := self._rejection(partial(self._submit, delivery.text, delivery)):
            self._list.add_rejected(delivery.text, reason)

    def _end_dead(self, delivery: Delivery) -> None:
        """Fail the job of a dead-lettered message, or reject the message."""
        if reason := self._rejection(partial(dead_letters.end_job, self._jobs.app, self._max_attempts, delivery)):
            self._list.add_rejected(delivery.text, reason)

    def _rejection(self, step: Callable[[], None]) -> str | None:
        """Run a step; return the reason if it can never succeed, or raise a TEMPORARY error if it may succeed later."""
        try:
            step()
        except BadMessage as error:
            return str(error)
        except (*TEMPORARY, DamagedKey) as error:
            if isinstance(error, DamagedKey) or is_for_good(error):
                return f"a key of this job in Redis is damaged or has another type: {error}"
            raise
        except Exception:  # an unexpected message must not block those behind it
            log.exception("a message could not be read")
            return "internal error; see the producer's log"
        return None

    def _submit(self, text: bytes, delivery: Delivery | None) -> None:
        message = messages.read(text)
        task, model = self._task_of(message)
        taken_from = (redis_list.INBOX, text) if self._one_step else None
        job_id = message.job_id or (delivery.job_id if delivery else None)
        options = SubmitOptions(
            job_id, eta=message.eta, priority=message.priority, queue=message.queue, taken_from=taken_from
        )
        submit = partial(self._submit_from_thread, task, message.arguments(model), options)
        try:
            submit() if self._one_step or delivery else self._remove_then_submit(submit, text)
        except JobIdTaken as error:
            already_submitted = delivery.again if delivery else not job_id  # then another producer was faster
            if not already_submitted:
                raise BadMessage(str(error)) from None

    def _submit_from_thread(self, task: JobTask, arguments: dict[str, Any], options: SubmitOptions) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._jobs.submit(task, arguments, options), self._loop).result()
        except (CancelledError, RuntimeError) as error:
            if self._stop.is_set():  # the loop is closed: the message stays for another producer
                raise BrokerUnavailable("the producer is stopping") from error
            raise

    def _task_of(self, message: InboxMessage) -> tuple[JobTask, type[Arguments]]:
        task = self._jobs.task(message.task)
        if task is None:
            raise BadMessage(f"no task is called {message.task!r}; GET /producer/api/tasks lists them")
        if message.queue is not None and message.queue not in self._queues:
            raise BadMessage(f"no queue is called {message.queue!r}; GET /producer/api/queues lists them")
        return task, self._arguments_model(task)

    def _remove_then_submit(self, submit: Callable[[], object], text: bytes) -> None:
        """Submit in two steps, as other brokers require; a producer killed in between leaves a copy of the message."""
        with self._list.removed(text) as was_there:
            if was_there:
                submit()
