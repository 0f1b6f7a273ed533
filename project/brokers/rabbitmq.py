"""RabbitMQ as broker: its queues, Celery's options for it, and messages that are sent within a bounded time.

Whoever consumes declares what there is (declare_all); whoever sends gets a confirmation, or an error.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any

from amqp import Connection
from amqp.exceptions import MessageNacked
from celery import Celery
from kombu import Exchange, Queue, pools
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.transport import native_delayed_delivery as delayed

from project.leased_transport import QueueFull
from project.settings import Settings

URLS = ("amqp://", "amqps://")
DEAD = "dead"  # the queue of messages that RabbitMQ gave up
HEARTBEAT = 10  # seconds: who is silent for twice as long is gone, and what it held is delivered again
UNACKNOWLEDGED = 30 * 60  # seconds that RabbitMQ lets a consumer hold a message, unless a job may run for longer
SOON = 1  # second: how long a message that did not fit waits before RabbitMQ tries again

log = logging.getLogger(__name__)


class PublishersBlocked(OperationalError):
    """RabbitMQ takes no messages for the time being: its memory or disk alarm is on."""

    def __init__(self) -> None:
        """Say what is full, and what to do."""
        super().__init__(
            "RabbitMQ blocks publishers because it is low on memory or disk (rabbitmqctl alarms), so no job can be "
            "accepted; reading works. Try again later, or free memory and disk space there."
        )


def is_amqp(url: str) -> bool:
    """Tell whether a broker URL is of RabbitMQ."""
    return url.startswith(URLS)


def options() -> dict[str, Any]:
    """Return Celery's options; with quorum queues it uses native delayed delivery by itself."""
    return {
        # else a message is lost when its sender dies before RabbitMQ has read it
        "broker_transport_options": {"confirm_publish": True},
        "broker_heartbeat": HEARTBEAT,
        "broker_native_delayed_delivery_queue_type": "quorum",
        # RabbitMQ gives the jobs of a lost connection to others, so running on would be a second run
        "worker_cancel_long_running_tasks_on_connection_loss": True,
    }


def make_queue(settings: Settings, name: str) -> Queue:
    """Return a queue that survives RabbitMQ's death and gives up a message that was delivered too often.

    RabbitMQ refuses to declare a queue again with other arguments: whoever changes the settings deletes the queue.
    """
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": settings.max_attempts - 1,
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": DEAD,
        "x-dead-letter-strategy": "at-least-once",
        "x-consumer-timeout": int(max(UNACKNOWLEDGED, 2 * settings.task_time_limit) * 1000),
    }
    limit = {"x-max-length": settings.queue_limit} if settings.queue_limit else {}
    # native delayed delivery needs a topic
    return Queue(name, Exchange(name, type="topic"), routing_key=name, queue_arguments=arguments | limit)


def dead_queue() -> Queue:
    """Return the queue of messages that RabbitMQ gave up."""
    # by default RabbitMQ 4 forgets what was delivered twenty times
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
    return Queue(DEAD, Exchange(""), routing_key=DEAD, queue_arguments=arguments)


def declare_all(app: Celery, connection: Any) -> None:
    """Declare all queues, and what delays messages."""
    delayed.declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
    for queue in app.amqp.queues.values():
        queue(connection.default_channel).declare()
        delayed.bind_queue_to_native_delayed_delivery_exchange(connection, queue)


@contextmanager
def sender(app: Celery) -> Iterator[Any]:
    """Lend a producer of messages that never waits longer than broker_connection_timeout for an answer.

    Raises kombu's OperationalError, whatever is wrong with RabbitMQ.
    """
    with _lend(app, app.producer_pool) as producer:
        yield producer


@contextmanager
def _lend(app: Celery, pool: Any) -> Iterator[Any]:
    timeout, blocked = app.conf.broker_connection_timeout, Event()
    try:
        with pool.acquire(block=True, timeout=timeout) as producer:
            try:
                _connect(producer.connection, timeout, blocked)
                yield producer
            except BaseException:
                # an answer that comes later must not be taken for the answer to the next message
                producer.connection.collect()
                raise
    except Connection.channel_errors as error:
        log.error("RabbitMQ refuses: %r", error)
        raise OperationalError(f"RabbitMQ: {error!r}") from error
    except (OperationalError, *Connection.connection_errors, LimitExceeded) as error:
        if blocked.is_set():
            raise PublishersBlocked from error
        raise (error if isinstance(error, OperationalError) else OperationalError(f"RabbitMQ: {error!r}")) from error


def _connect(connection: Any, timeout: float, blocked: Event) -> None:
    """Connect, again if RabbitMQ has ended the connection while nobody looked; *blocked* is set if it says so."""
    if connection.connected:
        try:
            with suppress(TimeoutError):
                connection.drain_events(timeout=0)
        except Exception:
            connection.collect()
    connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
    connection.connection.sock.settimeout(timeout)
    connection.connection.on_blocked = lambda _: blocked.set()


def priority(ours: int | None) -> int | None:
    """Return what RabbitMQ calls a priority of ours, of which 0 is the most urgent; version 3 makes no difference."""
    return None if ours is None else 9 - ours


def send(task: Any, publish: Any, seconds: int, must_fit: bool) -> Any:
    """Send a message by Celery's own *publish*, delayed by so many seconds; raise QueueFull if it does not fit.

    What a running job sends cannot wait for room: RabbitMQ waits for it.
    """
    # mandatory: else a message for a queue that somebody has deleted is lost
    options = {"mandatory": True, "confirm_timeout": 2 * task.app.conf.broker_connection_timeout}
    with sender(task.app) as producer:
        for countdown in [seconds] if must_fit else [seconds, SOON]:
            try:
                return publish(producer=producer, countdown=countdown or None, **options)
            except OperationalError as error:
                if not isinstance(error.__cause__, MessageNacked):
                    raise
    raise QueueFull(task.queue_name, 0)


def ready(app: Celery, queues: list[str]) -> dict[str, int]:
    """Return how many messages wait in each queue; those that consumers hold are not counted."""
    # on connections that never publish: RabbitMQ does not answer on the others while it blocks publishers
    with _lend(app, pools.producers[app.connection_for_read(transport_options={"confirm_publish": False})]) as producer:
        return {name: app.amqp.queues[name](producer.channel).queue_declare().message_count for name in queues}
