"""A shortcut into the leased transport, for calls that use none of Celery's rarer options.

Celery takes a producer from a pool, declares the queue, builds the message in four layers and sends two signals, which
is most of the time of a `.delay()`. This module builds the same message directly, and the same script admits it.
Calls that this module does not support go through Celery: `can_publish()` decides.
"""

import math
import os
from collections.abc import Awaitable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any

from celery import Celery, signals
from celery.utils.nodenames import anon_nodename
from celery.utils.saferepr import saferepr
from kombu.exceptions import EncodeError
from kombu.utils.json import JSONEncoder

from project import redis_clients
from project.brokers.base import library_errors
from project.leased_transport import admission
from project.leased_transport.script_batch import LARGEST, ScriptBatch

KNOWN = {"countdown", "eta", "headers", "nonce", "queue", "priority", "ignore_result", "time_limit", "soft_time_limit"}
#: The settings that this module supports: with any other value Celery does more than this module.
PLAIN = {
    "task_serializer": "json",
    "task_compression": None,
    "task_protocol": 2,
    "task_send_sent_event": False,
    "task_publish_retry": False,
}
PUBLISH_SIGNALS = (signals.before_task_publish, signals.after_task_publish, signals.task_sent)
ENCODER = JSONEncoder()
NOTHING_FOLLOWS = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))


class FastPublisher:
    """Publishes the jobs of one app: it has a bounded pool of connections."""

    def __init__(self, app: Celery, channel: Any) -> None:
        """Use as many connections as Celery would."""
        broker = app.broker
        self.client = redis_clients.bounded_client(broker.settings, broker.url, app.conf.broker_pool_limit)
        self.channel, self.queues = channel, app.amqp.queues

    def admit(self, task: Any, args: Any, kwargs: Any, job_id: str, options: dict[str, Any]) -> None:
        """Admit one job; raise JobExists, QueueFull or kombu's OperationalError."""
        call = self._prepare(task, args, kwargs, job_id, options)
        with library_errors():
            admission.admit(self.client, call)

    def admit_async(
        self, batch: ScriptBatch, task: Any, args: Any, kwargs: Any, job_id: str, options: dict[str, Any]
    ) -> Awaitable[None]:
        """Begin to admit one job from an event loop; awaiting the result raises what admit() raises."""

        async def outcome() -> None:
            with library_errors():
                await admitted

        admitted = admission.admit_async(batch, self._prepare(task, args, kwargs, job_id, options))
        return outcome()

    def admit_many(self, task: Any, jobs: Iterable[tuple[str, dict[str, Any]]], options: dict[str, Any]) -> None:
        """Admit jobs of one task, LARGEST per round trip; those that are known already stay as they are."""
        calls = (self._prepare(task, (), kwargs, job_id, options) for job_id, kwargs in jobs)
        while batch := list(islice(calls, LARGEST)):
            with library_errors():
                admission.admit_many(self.client, batch)

    def _prepare(self, task: Any, args: Any, kwargs: Any, job_id: str, options: dict[str, Any]) -> admission.Admission:
        args, kwargs = args or (), kwargs or {}
        if task.typing:
            task.__header__(*args, **kwargs)
        if task._dump_pydantic_arguments:
            args, kwargs = task._dump_pydantic_arguments(args, kwargs)
        body = _encode((args, kwargs, NOTHING_FOLLOWS))
        redacted = task.redacted_call(args, kwargs)
        show = repr if len(body) < 1000 else saferepr
        headers = {
            "id": job_id,
            "task": task.name,
            "retries": 0,
            "replaced_task_nesting": 0,
            "timelimit": [options.get("time_limit"), options.get("soft_time_limit")],
            "argsrepr": show(redacted[0]),
            "kwargsrepr": show(redacted[1]),
            "origin": _origin(os.getpid()),
            "ignore_result": options.get("ignore_result", task.ignore_result),
            "eta": _eta(options),
        }
        headers |= options.get("headers") or {}
        nonce = options.get("nonce") or os.urandom(8).hex()
        properties = {"body_encoding": None, "delivery_tag": nonce, "priority": options.get("priority")}
        message = {"body": body, "content-type": "application/json", "content-encoding": "utf-8"}
        message |= {"headers": headers, "properties": properties}
        return admission.prepare(options.get("queue", task.queue_name), message, self.channel)


def _encode(content: Any) -> Any:
    """Do what kombu's JSON serializer does, without its registry."""
    try:
        return ENCODER.encode(content)
    except Exception as error:
        raise EncodeError(error) from error


@cache
def _origin(_: int) -> str:
    """Return the name of this process, for Flower."""
    return str(anon_nodename())


def can_publish(task: Any, args: Any, options: dict[str, Any]) -> bool:
    """Tell whether this module can publish a call, which must come from outside a running job; if not, Celery must."""
    return not (
        not options.keys() <= KNOWN
        or options.get("soft_time_limit", 0) > options.get("time_limit", math.inf)
        or not isinstance(args, list | tuple | None)
        or any(signal.receivers for signal in PUBLISH_SIGNALS)
        or task.app.conf.task_always_eager
    )


def effective_options(task: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a call, merged with those that its task declares, without those that have no effect."""
    declared = task._get_exec_options() | {"serializer": None if task.serializer == "json" else task.serializer}
    return {name: value for name, value in (declared | options).items() if value is not None}


def open_publisher(app: Celery) -> FastPublisher | None:
    """Return the publisher of an app, or None if a setting of the app asks for more than this module does."""
    if any(app.conf[key] != PLAIN[key] for key in PLAIN):
        return None
    with library_errors(), app.connection_for_write() as connection:
        # not channel(), which tries twice, with a pause of two seconds
        return FastPublisher(app, connection.default_channel)


def _eta(options: dict[str, Any]) -> str | None:
    """Return the moment before which the job must not run, as Celery's header has it."""
    if "countdown" in options:
        return (datetime.now(UTC) + timedelta(seconds=options["countdown"])).isoformat()
    eta = options.get("eta")
    return eta if isinstance(eta, str | None) else eta.isoformat()
