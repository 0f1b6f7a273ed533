"""The leased transport: kombu's Redis transport, with jobs admitted, taken and ended by Lua scripts."""

import logging
import math
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty
from time import monotonic
from typing import Any

from kombu.transport import redis, virtual
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, NoScriptError, ResponseError
from redis.retry import Retry

from . import admission, keys, scripts
from .errors import Rejected
from .lease_keeper import LEDGER, PATIENCE, Options
from .messages import envelope

logger = logging.getLogger(__name__)

BATCH_LIMIT = 64  # more gains nothing (measured), and a consumer that dies takes fewer leases along


class QoS(virtual.QoS):
    """Acknowledging tells the ledger; restoring is the business of leases."""

    restore_at_shutdown = False

    def ack(self, delivery_tag: str) -> None:
        """Let go of a job that has ended."""
        LEDGER.release(delivery_tag)
        super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Hand a job back, as a counted death (its child process was lost), or fail it."""
        if requeue:
            if not LEDGER.leaving:
                job_id = delivery_tag.partition(":")[2]
                logger.warning("job_id=%s is handed back as a failed attempt: its process was lost", job_id)
            LEDGER.hand_back([delivery_tag], "stop" if LEDGER.leaving else "death")
        else:
            LEDGER.release(delivery_tag, Rejected("a consumer could not read this job"))
        super().ack(delivery_tag)


class Channel(redis.Channel):
    """Moves jobs by script; broadcasts and reply queues are kombu's as ever."""

    QoS = QoS
    body_encoding = None  # bodies of text travel as they are
    priority_steps, default_priority = keys.PRIORITY_STEPS, keys.DEFAULT_PRIORITY
    # set by our consumer: whether jobs run in this process, whose pool gains from it, and a job's hard time limit
    fetch_ahead = False
    hard_limit: Callable[[dict[str, Any]], float] = staticmethod(lambda _: math.inf)
    lease, max_attempts, queue_limit = Options.lease, Options.max_attempts, Options.queue_limit
    result_ttl, recent_limit = Options.result_ttl, Options.recent_limit
    from_transport_options = (*redis.Channel.from_transport_options, *Options.__dataclass_fields__)
    _batch = 1
    _fetched_at = 0.0
    _next = "take"  # or "bell": wait until there is something to take
    _asked = ""  # what the answer under way is to: take, bell, or plain (a reply queue)

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        # Once more on a connection that Redis closed while it was idle; a timeout is not tried again. Never in the
        # worker's loop: a connection made anew in silence has a socket that nobody polls, and the worker sleeps on.
        retry = Retry(NoBackoff(), 0 if asynchronous else 1, supported_errors=(ConnectionError,))
        return {**super()._connparams(asynchronous), "retry": retry}

    def encode_body(self, body: Any, encoding: str | None = None) -> Any:
        """Encode only what is not text."""
        return (body, None) if isinstance(body, str) else super().encode_body(body, "base64")

    # Admission

    def prepare_message(self, body: Any, priority: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """Keep a priority of 0, which kombu takes for none."""
        message = super().prepare_message(body, priority, *args, **kwargs)
        if priority is not None:
            message["properties"]["priority"] = priority
        return message

    def _next_delivery_tag(self) -> str:
        return secrets.token_urlsafe(9)

    def _inplace_augment_message(self, message: dict[str, Any], exchange: str, routing_key: str) -> None:
        # The properties survive a publish retry of the same call: their tag tells it from a second job.
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
        with self.conn_or_acquire() as client:
            return admission.admit(client, admission.prepare(queue, message, self))

    # Taking

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self.active_queues
        if any(queue in self._expires for queue in queues):  # temporary queues hold replies, not jobs
            self._asked = "plain"
            return super()._brpop_start(timeout)
        self._open_ledger(queues)
        self._deliver_backlog()
        if LEDGER.backlog:  # all slots are busy; the ledger's thread writes what ends meanwhile
            return None
        LEDGER.flush()
        if not queues or not self.qos.can_consume():
            return None
        queues = self._queue_cycle.consume(len(queues))
        self._asked = self._next
        if self._asked == "take":
            command = ["EVALSHA", scripts.FETCH.sha, len(queues), *queues, *self._demand()]
        else:
            command = ["BRPOP", *(f"bell:{queue}" for queue in queues), self.brpop_timeout]
        self._in_poll, self._brpop_sent_at = self.client.connection, monotonic()
        self.client.connection.send_command(*command)

    def _demand(self) -> list[Any]:
        """Ask for as many jobs as slots are free, and for more while jobs are over so soon that nobody waits."""
        pace = monotonic() - self._fetched_at
        if LEDGER.impatient or pace > PATIENCE:
            self._batch, LEDGER.impatient = 1, False
        elif pace < PATIENCE / 2 and self.fetch_ahead:
            self._batch = min(2 * self._batch, BATCH_LIMIT)
        slots = self.qos.can_consume_max_estimate() or BATCH_LIMIT
        return [max(slots, self._batch), self.lease, LEDGER.consumer, *self.priority_steps]

    def _brpop_read(self, **options: Any) -> bool:
        if self._asked == "plain":
            return bool(super()._brpop_read(**options))
        try:
            reply = self._read_reply(self.client.connection)
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        self._next = "take" if reply or self._asked == "bell" else "bell"
        if not reply or self._asked == "bell":
            raise Empty
        self._hold(reply)
        if not self._closing:
            self._deliver_backlog()
        return True

    def _read_reply(self, connection: Any) -> Any:
        try:
            return self.client.parse_response(connection, "EVALSHA" if self._asked == "take" else "BRPOP")
        except NoScriptError:
            with self.conn_or_acquire() as client:
                client.script_load(scripts.FETCH.text)
            raise Empty from None
        except (ResponseError, *self.connection_errors) as exc:
            connection.disconnect()
            raise scripts.recoverable(exc) from exc

    def _hold(self, reply: list[Any]) -> None:
        """Note the leases just taken, and line up their jobs; a job that cannot be read fails alone."""
        values = iter(reply)
        jobs = []
        for raw_id, token, raw_queue, raw_task, text in zip(*[values] * 5, strict=True):
            job_id, queue = raw_id.decode(errors="replace"), raw_queue.decode()
            tag = LEDGER.hold(job_id, token, queue)
            try:
                headers = {"id": job_id, "task": raw_task.decode(), "attempt": token}
                message = envelope(text, headers, queue, tag)
                LEDGER.held[tag].limit = self.hard_limit(message["headers"])
                jobs.append((tag, message, queue))
            except Exception as exc:
                logger.error("job_id=%s cannot be read: %r", job_id, exc)
                LEDGER.release(tag, Rejected(f"its stored message cannot be read: {exc!r}"))
            self._queue_cycle.rotate(queue)  # the next fetch begins with another queue
        self._fetched_at = monotonic()
        LEDGER.fetched(jobs)

    def _deliver_backlog(self) -> None:
        backlog, can_consume = LEDGER.backlog, self.qos.can_consume
        while backlog and can_consume():
            LEDGER.delivered_at = monotonic()
            try:
                tag, payload, queue = backlog.popleft()
            except IndexError:  # the ledger's thread handed it back
                break
            if tag in LEDGER.held:  # else its lease was lost while it stood in line
                self._deliver(tag, payload, queue)

    def _deliver(self, tag: str, payload: dict[str, Any], queue: str) -> None:
        """Hand a job to the worker; one that makes the delivery itself fail ends here, and harms no other."""
        try:
            self.connection._deliver(payload, queue)
        except self.connection_errors:  # of the broker: the worker reconnects, and the job is handed back
            raise
        except ResponseError:  # Redis refused something; the worker stops, and this attempt counts
            LEDGER.hand_back([tag], "death")
            raise
        except Exception as exc:
            logger.exception("job_id=%s cannot be delivered", payload["headers"]["id"])
            LEDGER.release(tag, Rejected(f"a consumer could not read this job: {exc!r}"))
            with suppress(KeyError):  # not noted as delivered yet
                self.qos.ack(tag)

    def _get(self, queue: str) -> dict[str, Any]:
        raise NotImplementedError("jobs are taken by a consumer: a lease needs a process that renews it")

    def _open_ledger(self, queues: list[str]) -> None:
        LEDGER.queues = queues
        if LEDGER.pid != os.getpid():
            options = Options(**{name: getattr(self, name) for name in Options.__dataclass_fields__})
            LEDGER.open(Redis(connection_pool=self._get_pool()), options, runs_jobs=self.fetch_ahead)

    # Stopping and housekeeping

    def _basic_cancel(self, consumer_tag: str) -> None:
        super()._basic_cancel(consumer_tag)
        if not self.active_queues and self._asked != "plain":
            self._settle()

    def _settle(self) -> None:
        """Hand back at once what was asked for but cannot be delivered any more."""
        self._closing, closing = True, self._closing
        with suppress(Empty, *self.connection_errors):  # a take whose answer is lost ends with its leases
            if self._in_poll and self._asked == "take":
                self._brpop_read()
            LEDGER.hand_back_backlog()
        self._closing = closing

    def close(self) -> None:
        """Close without touching what runs: its leases belong to the process, not to this connection."""
        if self._in_poll and self._asked != "plain":
            self._settle()
            self._in_poll = None  # a bell that rings from now on is for others
        super().close()

    def _purge(self, queue: str) -> int:
        with self.conn_or_acquire() as client:
            purge = partial(scripts.PURGE, client, [queue], [1000, self.result_ttl, *self.priority_steps])
            return sum(iter(purge, 0))  # until nothing is left

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        if queue not in self._expires:
            self._purge(queue)
        super()._delete(queue, *args, **kwargs)


class Transport(redis.Transport):
    """Selected by Celery's setting broker_transport."""

    Channel = Channel
    brpop_timeout = 0.5  # also how late a job with an eta may become visible to an idle consumer

    def _reject_inbound_message(self, raw_message: dict[str, Any]) -> None:
        LEDGER.hand_back([raw_message["properties"]["delivery_tag"]])
