"""Job records for brokers that keep none: `redis+stock://` and RabbitMQ.

The leased transport writes the record and the message in one step. Here the record is written first, the message
follows, and a third step notes that it was sent. A producer that crashes in between has answered no client, and its
record expires after a minute. Record and message share a nonce: a message with another nonce never runs, so a job can
be cancelled and requeued while its old message still waits somewhere.
"""

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from celery import Task, states
from celery._state import get_current_worker_task
from celery.exceptions import Ignore
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.serialization import dumps
from redis.exceptions import RedisError

from project.brokers.base import BeingSent, Broker, hidden, library_errors
from project.brokers.leased_backend import LeasedBackend
from project.leased_transport import JobExists, QueueFull, keys, messages, records, scripts
from project.leased_transport.admission import check_id, due_at
from project.leased_transport.overwritten import naming
from project.task_options.followers import patiently

UNSENT_TTL = 60  # seconds that a record lives until its message is sent: longer than any sender waits for a broker
SENDING = 4  # seconds after which a sender that has noted no outcome is considered dead
PATIENCE = 1.2  # seconds that a client waits for the outcome of another sender; a running job waits until it is dead
#: Options that apply to one sending only, and are not kept for a requeue.
OF_ONE_SENDING = {"countdown", "eta", "producer", "connection", "retry", "retry_policy"}
#: Options that this module adds to the message itself.
OURS = ("headers", "nonce")
#: Errors of a send that say nothing about the message: a later send of the same message may succeed.
BROKER_ERRORS = (OperationalError, RedisError, QueueFull, LimitExceeded, OSError)

log = logging.getLogger(__name__)


def publish(task: Any, args: Any, kwargs: Any, job_id: str | None, options: dict[str, Any]) -> Any:
    """Write the record of a job and send its message; delete the record again if the message cannot be sent.

    Raises JobExists for a job whose message was sent before, unless a parent that runs again submits the same child;
    QueueFull; ValueError for an id with control characters; or OperationalError when the broker or Redis is away, which
    a running job waits out.
    """
    job_id = job_id or str(uuid4())
    check_id(job_id)
    send = _retry if task.request.id == job_id else _register_and_send
    message = JobMessage(task, args, kwargs, job_id, task.request.get("nonce") or "", options)
    return patiently(partial(send, message))


def requeue(broker: Broker, job_id: str) -> bool:
    """Send the message of a failed or revoked job once more; return whether there was such a job.

    Until the broker has confirmed the message, the job stays what it is. It also stays that if there can be no message,
    for example because its arguments do not fit its task any more.
    """
    nonce, client = new_nonce(), broker.redis
    name, queue, text = scripts.PREPARE_REQUEUE(client, [keys.job(job_id)], [nonce, broker.kind]) or (b"", b"", b"")
    task = broker.app.tasks.get(name.decode())
    if task is None:
        return False
    try:
        args, kwargs, options = messages.call(text)
    except Exception as error:
        log.error("job %s cannot be requeued, its stored message cannot be read: %r", job_id, error)
        scripts.CONFIRM_SENT(client, [keys.job(job_id)], [job_id, nonce, "", ""])
        return False
    options |= {"queue": queue.decode(), "retries": 0}
    try:
        _send_and_confirm(JobMessage(task, args, kwargs, job_id, nonce, options))
    except BROKER_ERRORS:
        raise
    except Exception as error:
        log.error("job %s cannot be requeued: %r", job_id, error)
        return False
    return True


@dataclass
class JobMessage:
    """The message of a job. must_fit: a full queue refuses it."""

    task: Any
    args: Any
    kwargs: Any
    job_id: str
    nonce: str
    options: dict[str, Any]
    must_fit: bool = True

    @property
    def key(self) -> str:
        """Return the key of the job's record."""
        return keys.job(self.job_id)

    @property
    def seconds(self) -> float:
        """Return the delay before the job may run."""
        if eta := self.options.get("eta"):
            return max(0.0, due_at(str(eta)) - time.time())
        return float(self.options.get("countdown") or 0)

    @property
    def kind(self) -> str:
        """Return the kind of broker that it is sent to."""
        return str(self.task.app.broker.kind)

    def text(self) -> str:
        """Return what a requeue needs to know, as JSON."""
        return str(dumps([self.args, self.kwargs, self._kept() | {"headers": self._headers()}], "json")[2])

    def send(self) -> Any:
        """Send it, as its broker does; raise OperationalError or QueueFull."""
        return self.task.app.broker.send(self)

    def publish(self, **options: Any) -> Any:
        """Send it by Celery's own apply_async, with options that hold for this sending."""
        options = self._kept() | {"headers": self._headers() | {"nonce": self.nonce}} | options
        return Task.apply_async(self.task, self.args, self.kwargs, task_id=self.job_id, **options)

    def _kept(self) -> dict[str, Any]:
        kept = {name: value for name, value in self.options.items() if name not in (*OF_ONE_SENDING, *OURS)}
        expires = kept.get("expires", self.task.expires)
        if isinstance(expires, int | float):  # the moment, because a message that is sent again must not live longer
            kept["expires"] = (datetime.now(UTC) + timedelta(seconds=expires)).isoformat()
        return hidden(self.task, self.args, self.kwargs) | kept

    def _headers(self) -> dict[str, Any]:
        """Return the headers, without those that are only for the record."""
        headers = self.options.get("headers") or {}
        return {name: value for name, value in headers.items() if name not in ("record", "taken_from")}


def new_nonce() -> str:
    """Return a random name that no other message has."""
    return uuid4().hex


def _register_and_send(message: JobMessage) -> Any:
    """Write the record of a new job, then send its message."""
    headers = message.options.get("headers") or {}
    step = keys.step(message.options.get("priority", message.task.priority))
    fields = headers.get("record", {}) | {"broker": message.kind, "step": step}
    extra = [part for field in fields.items() for part in field]
    parent, request = _parent(message.options), message.options.get("nonce") or ""
    message.must_fit = not parent
    message.nonce = new_nonce()  # a new one for each try: the message of a failed try may have arrived after all
    queue = message.options.get("queue") or message.task.queue_name
    arguments = [message.job_id, message.nonce, message.task.name, queue, message.text(), parent or "", request]
    answer = _register(message, [*arguments, UNSENT_TTL, SENDING, records.RECENT_LIMIT, *extra])
    if answer == b"EXISTS":
        raise JobExists(message.job_id)
    return _send_and_confirm(message) if answer == b"OK" else message.task.AsyncResult(message.job_id)


def _register(message: JobMessage, arguments: list[Any]) -> Any:
    """Write the record once no other producer sends a message for this id; return the script's answer.

    Raise BeingSent if that takes longer than a client may wait for its answer.
    """
    end = time.monotonic() + (SENDING + 1 if get_current_worker_task() else PATIENCE)
    with library_errors(), naming(message.key):
        while (answer := scripts.REGISTER(message.task.backend.client, [message.key], arguments)) == b"BUSY":
            if time.monotonic() > end:
                raise BeingSent(f"job {message.job_id} is being sent by another producer at the moment; try again.")
            time.sleep(0.05)
    return answer


def _send_and_confirm(message: JobMessage) -> Any:
    """Send a message and note in the record that it was sent; if sending fails, undo what was written before."""
    confirm = partial(scripts.CONFIRM_SENT, message.task.backend.client, [message.key])
    due = time.time() + message.seconds if message.seconds else ""
    try:
        sent = message.send()
    except BaseException:
        with library_errors():
            confirm([message.job_id, message.nonce, "", ""])
        raise
    with library_errors():
        if not confirm([message.job_id, message.nonce, 1, due]):
            raise OperationalError(f"another producer has sent job {message.job_id} first")
    return sent


def _retry(message: JobMessage) -> Any:
    """Send another message for the running job, with the same nonce as the message that started this run.

    The record says so first, because a quick consumer may begin the next attempt at once. If this process crashes in
    between, the broker delivers the message of this attempt again.
    """
    message.must_fit = False
    due = time.time() + message.seconds if message.seconds else ""
    record = (message.options.get("headers") or {}).get("record", {})  # why this run failed
    fields = ["message", message.text(), *(part for field in record.items() for part in field)]
    message.task.backend._write(message.job_id, states.RETRY, fields, message.task.request, due=due)
    return message.send()


def _parent(options: dict[str, Any]) -> str | None:
    """Return the id of the running job that publishes this one, if any does."""
    running = get_current_worker_task()
    return options.get("parent_id") or (running.request.id if running else None)


class RecordBackend(LeasedBackend):
    """The leased transport's result backend, which tells runs apart by the nonce, not by the lease."""

    def begin(self, task: Any) -> None:
        """Note that a run begins; raise Ignore if its message is not the one that the job waits for."""
        request = task.request
        arguments = [request.id, request.get("nonce") or "", task.name, task.queue_name, request.hostname or ""]
        arguments.append(task.app.broker.kind)
        begun = self.ensure(
            scripts.BEGIN, (self.client, [keys.job(request.id)], arguments), max_retries=None, interval_max=1
        )
        if begun is None:
            raise Ignore
        request.attempt, before = begun
        if before:
            fields = f"job_id={request.id} task={task.name} queue={task.queue_name} consumer={before.decode()}"
            log.warning("message delivered again, although an earlier run of its job has not ended: %s", fields)

    def drop(self, request: Any) -> None:
        """Let the record of a job that its task ignores expire, unless this run never began."""
        if request.get("attempt"):
            self._write(request.id, "", [], request)

    def _write(
        self, task_id: str, state: str, fields: list[Any], request: Any, max_retries: int | None = None, due: Any = ""
    ) -> None:
        nonce, token = getattr(request, "nonce", None) or "", getattr(request, "attempt", None) or ""
        arguments = [task_id, nonce, token, state, self.expires or 0, due, *fields]
        self.ensure(
            scripts.REPORT, (self.client, [keys.job(task_id)], arguments), max_retries=max_retries, interval_max=1
        )
