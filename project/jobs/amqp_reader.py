"""How a producer reads a queue of RabbitMQ: `inbox`, one more way in, and `dead`, the messages that were given up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4, uuid5

from celery import Celery
from kombu import Queue

from project.celery_config import amqp
from project.errors import BrokerUnavailable

INBOX = Queue("inbox", durable=True)
GLANCE = 0.01  # seconds: how long to listen while a message waits in our hands
MESSAGES = UUID("0b8a3f5e-2a52-4f0e-9c67-6f1d1f8f2d35")  # the namespace of ids made from message_ids


@dataclass
class Delivery:
    """A message in our hands. job_id: what to use if its text names none. again: it may be a job already."""

    message: Any
    text: bytes
    job_id: str
    again: bool


class AmqpReader:
    """Takes one message at a time and acknowledges it when it has been dealt with; RabbitMQ keeps it until then."""

    def __init__(self, app: Celery, queue: Queue, deal_with: Callable[[bytes, Delivery], None]) -> None:
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
                held.message.ack()

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
        self._connection = self._app.connection_for_read(heartbeat=amqp.HEARTBEAT)
        # kombu's own pause between the two tries is 2 s, too long for a stop
        self._connection.ensure_connection(max_retries=1, interval_start=0, reraise_as_library_errors=False)
        amqp.declare_all(self._app, self._connection)
        self._connection.Consumer([self._queue], on_message=self._receive, prefetch_count=1).consume()

    def _receive(self, message: Any) -> None:
        text = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        named = message.properties.get("message_id")
        job_id = uuid5(MESSAGES, named) if named else uuid4()
        self._held = Delivery(message, text, str(job_id), message.delivery_info["redelivered"])

    def _try(self, held: Delivery) -> None:
        try:
            self._deal_with(held.text, held)
        except Exception:
            held.again = True
            raise
        self._held = None
