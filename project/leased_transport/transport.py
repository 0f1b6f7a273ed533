"""The leased transport: kombu's Redis transport, with jobs admitted, fetched and ended by Lua scripts.

It overrides these names of kombu, most of them private; requirements.in has the range of kombu that has been tested:

QoS        ack, reject, restore_at_shutdown
Channel    QoS, body_encoding, default_priority, from_transport_options, priority_steps, encode_body, prepare_message,
           close, _connparams, _queue_bind, _next_delivery_tag, _inplace_augment_message, _put, _get, _purge, _delete,
           _basic_cancel, _brpop_start, _brpop_read
Transport  Channel, brpop_timeout, _reject_inbound_message

and uses: _brpop_sent_at, _closing, _expires, _flush_brpop_reauth, _get_message_priority, _get_pool, _in_poll,
_queue_cycle, active_queues, can_consume, can_consume_max_estimate, client, conn_or_acquire, connection_errors,
Transport._deliver.
"""

import logging
import os
import secrets
import socket
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from queue import Empty
from time import monotonic
from typing import Any

from celery import current_task
from kombu.transport import redis, virtual
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, NoScriptError, ResponseError
from redis.retry import Retry

from . import admission, keys, scripts
from .connections import patient
from .errors import Rejected
from .lease_keeper import PATIENCE, LeaseKeeper, Options
from .messages import envelope

logger = logging.getLogger(__name__)

BATCH_LIMIT = 64  # larger batches gain nothing (measured), and leave more jobs waiting for a crashed consumer's leases


class Request(Enum):
    """What a channel asks Redis for; the answer arrives while the worker does other things."""

    FETCH = auto()  # run fetch.lua
    WAIT = auto()  # wait until there is something to fetch
    REPLIES = auto()  # kombu's own BRPOP on queues of replies


class QoS(virtual.QoS):
    """Passes acknowledgements on to the lease keeper; leases take the place of kombu's restoring of messages."""

    restore_at_shutdown = False

    def ack(self, delivery_tag: str) -> None:
        """Release the lease of a job that has ended."""
        self.channel.keeper.release(delivery_tag)
        super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Fail a job, or hand it back, if *requeue* is set; unless the worker is stopping, that is a failed attempt."""
        keeper = self.channel.keeper
        if requeue:
            if not keeper.leaving:
                job_id = delivery_tag.partition(":")[2]
                logger.warning("job_id=%s is handed back as a failed attempt: its process was lost", job_id)
            keeper.hand_back([delivery_tag], "stop" if keeper.leaving else "death")
        else:
            keeper.release(delivery_tag, Rejected("a consumer could not read this job"))
        super().ack(delivery_tag)


class Channel(redis.Channel):
    """Moves jobs by script; broadcasts and reply queues work as in kombu.

    keeper: holds the leases of the fetched jobs; our worker's consumer (consumer.py) replaces it with its own keeper.
    """

    QoS = QoS
    body_encoding = None  # kombu would encode text as base64
    priority_steps, default_priority = keys.PRIORITY_STEPS, keys.DEFAULT_PRIORITY
    lease, max_attempts, queue_limit = Options.lease, Options.max_attempts, Options.queue_limit
    result_ttl, recent_limit = Options.result_ttl, Options.recent_limit
    from_transport_options = (*redis.Channel.from_transport_options, *Options.__dataclass_fields__)
    _batch = 1
    _fetched_at = 0.0
    _next = Request.FETCH
    _sent: Request | None = None  # the last request

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make a keeper for a program that consumes without our worker."""
        self.keeper = LeaseKeeper(f"{socket.gethostname()}:{os.getpid()}")
        super().__init__(*args, **kwargs)

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        # Retry once, because Redis may have closed a connection that was idle, but do not retry after a timeout. Do not
        # retry in the worker's event loop: it would not poll the socket of the new connection, and never wake up.
        retry = Retry(NoBackoff(), 0 if asynchronous else 1, supported_errors=(ConnectionError,))
        params = super()._connparams(asynchronous)
        return {**params, "retry": retry, "connection_class": patient(params["connection_class"])}

    def encode_body(self, body: Any, encoding: str | None = None) -> Any:
        """Encode a body as base64 unless it is text."""
        return (body, None) if isinstance(body, str) else super().encode_body(body, "base64")

    # Admission

    def prepare_message(self, body: Any, priority: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """Keep a priority of 0, which kombu would drop."""
        message = super().prepare_message(body, priority, *args, **kwargs)
        if priority is not None:
            message["properties"]["priority"] = priority
        return message

    def _next_delivery_tag(self) -> str:
        return secrets.token_urlsafe(9)

    def _inplace_augment_message(self, message: dict[str, Any], exchange: str, routing_key: str) -> None:
        # When kombu retries a publish it passes the same properties, so the tag tells a retry from a second job.
        nonce = message["properties"].get("delivery_tag")
        super()._inplace_augment_message(message, exchange, routing_key)
        if nonce:
            message["properties"]["delivery_tag"] = nonce

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        if "task" not in message["headers"]:
            message = admission.as_protocol_2(message)
        headers = message["headers"]
        if "task" not in headers or "id" not in headers:
            return super()._put(queue, message, **kwargs)  # a reply, not a job
        parent = (current_task.request.id if current_task else "") or ""
        with self.conn_or_acquire() as client:
            return admission.admit(client, admission.prepare(queue, message, self, parent))

    def _queue_bind(self, *args: Any) -> None:
        try:
            super()._queue_bind(*args)
        except ResponseError as exc:  # a consumer needs no binding, and so it can work off a full Redis
            if not (scripts.is_full(exc) and getattr(self.connection.client, "is_consumers", False)):
                raise
            logger.warning("Redis is full, and does not store how messages reach the queue %s", args[-1])

    # Fetching

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self.active_queues
        if any(queue in self._expires for queue in queues):  # temporary queues hold replies, not jobs
            self._sent = Request.REPLIES
            return super()._brpop_start(timeout)
        self._open_keeper(queues)
        self._deliver_backlog()
        if self.keeper.has_backlog:  # all slots are busy; the keeper's thread writes the results of jobs that end
            return None
        self.keeper.flush()
        if not queues or not self.qos.can_consume():
            return None
        queues = self._queue_cycle.consume(len(queues))
        self._sent = self._next
        if self._sent is Request.FETCH:
            command = ["EVALSHA", scripts.FETCH.sha, len(queues), *queues, *self._fetch_arguments()]
        else:
            self.keeper.show()  # so that no other process renews what has ended
            command = ["BRPOP", *map(keys.wake_up, queues), self.brpop_timeout]
        self._in_poll, self._brpop_sent_at = self.client.connection, monotonic()
        self.client.connection.send_command(*command)

    def _fetch_arguments(self) -> list[Any]:
        """Ask for one job per free slot, or for more while jobs end so quickly that the extra ones need not wait."""
        elapsed = monotonic() - self._fetched_at
        if self.keeper.backlog_was_handed_back() or elapsed > PATIENCE:
            self._batch = 1
        elif elapsed < PATIENCE / 2 and self.keeper.runs_jobs:
            self._batch = min(2 * self._batch, BATCH_LIMIT)
        slots = self.qos.can_consume_max_estimate() or BATCH_LIMIT
        return [max(slots, self._batch), self.lease, self.keeper.consumer, *self.priority_steps]

    def _brpop_read(self, **options: Any) -> bool:
        if self._sent is Request.REPLIES:
            return bool(super()._brpop_read(**options))
        try:
            reply = self._read_reply(self.client.connection)
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        self._next = Request.FETCH if reply or self._sent is Request.WAIT else Request.WAIT
        if not reply or self._sent is Request.WAIT:
            raise Empty
        self._add_leases(reply)
        if not self._closing:
            self._deliver_backlog()
        return True

    def _read_reply(self, connection: Any) -> Any:
        try:
            return self.client.parse_response(connection, "EVALSHA" if self._sent is Request.FETCH else "BRPOP")
        except NoScriptError:
            with self.conn_or_acquire() as client:
                client.script_load(scripts.FETCH.text)
            raise Empty from None
        except (ResponseError, *self.connection_errors) as exc:
            connection.disconnect()
            if self._sent is Request.FETCH or not scripts.is_damage(exc):
                raise
            with self.conn_or_acquire() as client:  # another program has overwritten a notification: make it anew
                client.delete(*map(keys.wake_up, self.active_queues))
            raise Empty from None

    def _add_leases(self, reply: list[Any]) -> None:
        """Add the leases of the fetched jobs, and line the jobs up; fail a job that cannot be read, and no other."""
        values = iter(reply)
        jobs = []
        for raw_id, token, raw_queue, raw_task, text in zip(*[values] * 5, strict=True):
            job_id, queue = raw_id.decode(errors="replace"), raw_queue.decode()
            lease = self.keeper.add(job_id, token, queue)
            try:
                headers = {"id": job_id, "task": raw_task.decode(), "attempt": token}
                message = envelope(text, headers, queue, lease.tag)
                lease.time_limit = self.keeper.hard_limit(message["headers"])
                jobs.append((lease.tag, message, queue))
            except Exception as exc:
                logger.error("job_id=%s cannot be read: %r", job_id, exc)
                self.keeper.release(lease.tag, Rejected(f"its stored message cannot be read: {exc!r}"))
            self._queue_cycle.rotate(queue)  # the next fetch begins with another queue
        self._fetched_at = monotonic()
        self.keeper.line_up(jobs)

    def _deliver_backlog(self) -> None:
        while self.qos.can_consume() and (job := self.keeper.next_job()):
            self._deliver(*job)

    def _deliver(self, tag: str, payload: dict[str, Any], queue: str) -> None:
        """Hand a job to the worker; fail it if the delivery itself fails, so that it harms no other job."""
        try:
            self.connection._deliver(payload, queue)
        except self.connection_errors:  # the worker reconnects, and hands the job back
            raise
        except ResponseError:  # Redis refused a command: the worker stops, and this attempt counts
            self.keeper.hand_back([tag], "death")
            raise
        except Exception as exc:
            logger.exception("job_id=%s cannot be delivered", payload["headers"]["id"])
            self.keeper.release(tag, Rejected(f"a consumer could not read this job: {exc!r}"))
            with suppress(KeyError):  # kombu has not noted it as delivered yet
                self.qos.ack(tag)

    def _get(self, queue: str) -> dict[str, Any]:
        raise NotImplementedError("basic_get is not supported: a lease needs a consumer that renews it")

    def _open_keeper(self, queues: list[str]) -> None:
        self.keeper.reap_from(queues)
        if not self.keeper.is_open:
            options = Options(**{name: getattr(self, name) for name in Options.__dataclass_fields__})
            self.keeper.open(Redis(connection_pool=self._get_pool()), options)

    # Stopping and housekeeping

    def _basic_cancel(self, consumer_tag: str) -> None:
        super()._basic_cancel(consumer_tag)
        if not self.active_queues and self._sent is not Request.REPLIES:
            self._hand_back_undelivered()

    def _hand_back_undelivered(self) -> None:
        """Read the answer to a fetch that was sent, and hand back all jobs that were not delivered."""
        self._closing, closing = True, self._closing
        with suppress(Empty, *self.connection_errors):  # jobs in a lost answer come back when their leases expire
            if self._in_poll and self._sent is Request.FETCH:
                self._brpop_read()
            self.keeper.hand_back_backlog()
        self._closing = closing

    def close(self) -> None:
        """Close the channel; running jobs keep their leases, which belong to the process and not to the connection."""
        if self._in_poll and self._sent is not Request.REPLIES:
            self._hand_back_undelivered()
            self._in_poll = None  # later notifications go to other consumers
        super().close()

    def _purge(self, queue: str) -> int:
        with self.conn_or_acquire() as client:
            purge = partial(scripts.PURGE, client, [queue], [1000, self.result_ttl, *self.priority_steps])
            return sum(iter(purge, 0))  # until the queue is empty

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        if queue not in self._expires:
            self._purge(queue)
        super()._delete(queue, *args, **kwargs)


class Transport(redis.Transport):
    """Selected by Celery's setting broker_transport."""

    Channel = Channel
    brpop_timeout = 0.5  # seconds; also how late an idle consumer may fetch a delayed job

    def _reject_inbound_message(self, raw_message: dict[str, Any]) -> None:
        tag = raw_message["properties"]["delivery_tag"]
        for channel in filter(None, self.channels):
            channel.keeper.hand_back([tag])
