"""Read a RabbitMQ queue in a producer: `inbox`, another way to submit jobs, and `dead`, the dead letters."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

import amqp
from amqp import serialization
from amqp.spec import Basic
from celery import Celery
from kombu import Queue

from project.brokers.rabbitmq import HEARTBEAT, declare_all
from project.derived_ids import derived_id
from project.errors import BrokerUnavailable

POLL = 0.01  # seconds to listen while a message waits for its next attempt


def _decode_properties(buffer: bytes, offset: int) -> tuple[dict[str, Any], int]:
    """Decode the properties of a message; return none if one of them is not UTF-8."""
    try:
        return serialization.decode_properties_basic(buffer, offset)
    except Exception:
        return {}, len(buffer)


# py-amqp's table of decoders: its own decoder breaks the connection, so RabbitMQ would redeliver the message forever
serialization.PROPERTY_CLASSES[Basic.CLASS_ID] = _decode_properties


@dataclass
class Delivery:
    """A delivered message. job_id: used if its text names none. again: it may already be a job."""

    tag: int
    text: bytes
    headers: dict[str, Any]
    job_id: str
    again: bool

    @classmethod
    def of(cls, message: amqp.Message) -> Self:
        """Return the delivery of any message; bytes that are not text are escaped."""
        body, named = message.body, message.properties.get("message_id")
        text = body.encode(errors="surrogatepass") if isinstance(body, str) else bytes(body)
        job_id = derived_id("message", named) if named else str(uuid4())
        headers = message.properties.get("application_headers") or {}
        return cls(message.delivery_tag, text, headers, job_id, message.delivery_info["redelivered"])


class AmqpReader:
    """Consume one message at a time, and acknowledge it once it has been handled; RabbitMQ keeps it until then."""

    def __init__(self, app: Celery, queue: Queue, handle: Callable[[Delivery], None]) -> None:
        self._app, self._queue, self._handle = app, queue, handle
        self._connection: Any = None
        self._held: Delivery | None = None

    def step(self, wait: float) -> None:
        """Wait *wait* seconds for a message and handle it, or retry the message that could not be handled before.

        Raise BrokerUnavailable while RabbitMQ is unavailable, and the errors of *handle*.
        """
        with self._connected():
            self._listen(wait)
        if held := self._held:
            self._try(held)
            with self._connected():
                self._connection.default_channel.basic_ack(held.tag)

    def close(self) -> None:
        """Disconnect; RabbitMQ redelivers an unacknowledged message to another producer."""
        if self._connection:
            self._connection.release()

    @contextmanager
    def _connected(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # with a lost connection kombu raises more than its own errors
            lost, self._connection, self._held = self._connection, None, None
            with suppress(Exception):
                lost.collect()  # close() would wait for a reply
            raise BrokerUnavailable(f"RabbitMQ: {error!r}") from error

    def _listen(self, wait: float) -> None:
        if not self._connection:
            self._connect()
        self._connection.heartbeat_check()
        with suppress(TimeoutError):
            self._connection.drain_events(timeout=POLL if self._held else wait)

    def _connect(self) -> None:
        """Connect, and declare all queues, so that they exist before the first message and after an outage."""
        self._connection = self._app.connection_for_read(heartbeat=HEARTBEAT)
        # kombu's default pause between the two attempts is 2 s, too long while stopping
        self._connection.ensure_connection(max_retries=1, interval_start=0, reraise_as_library_errors=False)
        declare_all(self._app, self._connection)
        channel = self._connection.default_channel
        self._queue(channel).declare()
        channel.basic_qos(0, 1, False)
        # not kombu's Consumer: it would decompress messages, and raise here if it cannot
        channel.basic_consume(self._queue.name, callback=self._receive)

    def _receive(self, message: amqp.Message) -> None:
        self._held = Delivery.of(message)

    def _try(self, held: Delivery) -> None:
        try:
            self._handle(held)
        except Exception:
            held.again = True
            raise
        self._held = None
