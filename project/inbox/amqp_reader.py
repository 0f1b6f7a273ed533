"""How a producer reads a queue of RabbitMQ: `inbox`, one more way in, and `dead`, the messages that were given up."""

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

INBOX = Queue("inbox", durable=True)
GLANCE = 0.01  # seconds: how long to listen while a message waits in our hands


def _decode_properties(buffer: bytes, offset: int) -> tuple[dict[str, Any], int]:
    """Decode what stands before a message's body; what is not UTF-8 is left out, with all the rest."""
    try:
        return serialization.decode_properties_basic(buffer, offset)
    except Exception:
        return {}, len(buffer)


# py-amqp's table of decoders: its own breaks the connection, whereupon RabbitMQ delivers the message again, for ever
serialization.PROPERTY_CLASSES[Basic.CLASS_ID] = _decode_properties


@dataclass
class Delivery:
    """A message in our hands. job_id: what to use if its text names none. again: it may be a job already."""

    tag: int
    text: bytes
    headers: dict[str, Any]
    job_id: str
    again: bool

    @classmethod
    def of(cls, message: amqp.Message) -> Self:
        """Return what there is of any message; a part that is not text is escaped."""
        body, named = message.body, message.properties.get("message_id")
        text = body.encode(errors="surrogatepass") if isinstance(body, str) else bytes(body)
        job_id = derived_id("message", named) if named else str(uuid4())
        headers = message.properties.get("application_headers") or {}
        return cls(message.delivery_tag, text, headers, job_id, message.delivery_info["redelivered"])


class AmqpReader:
    """Takes one message at a time and acknowledges it when it has been dealt with; RabbitMQ keeps it until then."""

    def __init__(self, app: Celery, queue: Queue, deal_with: Callable[[Delivery], None]) -> None:
        self._app, self._queue, self._deal_with = app, queue, deal_with
        self._connection: Any = None
        self._held: Delivery | None = None

    def step(self, wait: float) -> None:
        """Wait so many seconds for a message, and deal with it; one that had to wait is tried again.

        Raises BrokerUnavailable while RabbitMQ is away, and what deal_with raises.
        """
        with self._present():
            self._listen(wait)
        if held := self._held:
            self._try(held)
            with self._present():
                self._connection.default_channel.basic_ack(held.tag)

    def close(self) -> None:
        """Leave RabbitMQ, which gives what was not acknowledged to the next one."""
        if self._connection:
            self._connection.release()

    @contextmanager
    def _present(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a lost connection makes kombu raise more than its own errors
            lost, self._connection, self._held = self._connection, None, None
            with suppress(Exception):
                lost.collect()  # to close would wait for an answer
            raise BrokerUnavailable(f"RabbitMQ: {error!r}") from error

    def _listen(self, wait: float) -> None:
        if not self._connection:
            self._connect()
        self._connection.heartbeat_check()
        with suppress(TimeoutError):
            self._connection.drain_events(timeout=GLANCE if self._held else wait)

    def _connect(self) -> None:
        """Connect, and declare all queues: who reads is there before anyone sends, and again after an outage."""
        self._connection = self._app.connection_for_read(heartbeat=HEARTBEAT)
        # kombu's own pause between the two tries is 2 s, too long for a stop
        self._connection.ensure_connection(max_retries=1, interval_start=0, reraise_as_library_errors=False)
        declare_all(self._app, self._connection)
        channel = self._connection.default_channel
        self._queue(channel).declare()
        channel.basic_qos(0, 1, False)
        # not kombu's Consumer: it would decompress a message, and raise here for one that it cannot decompress
        channel.basic_consume(self._queue.name, callback=self._receive)

    def _receive(self, message: amqp.Message) -> None:
        self._held = Delivery.of(message)

    def _try(self, held: Delivery) -> None:
        try:
            self._deal_with(held)
        except Exception:
            held.again = True
            raise
        self._held = None
