"""RabbitMQ as broker (`amqp://`): all that changes with it.

It keeps messages in quorum queues, and job records stay in Redis (job_records.py). Consumers and producers that read
declare the queues (declare_all). A producer that sends gets a confirmation or an error, within a bounded time.
project/inbox/amqp_reader.py reads the queues `inbox` and `dead`.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Event
from typing import Any

from amqp import Connection as AmqpConnection
from amqp.exceptions import AccessRefused, MessageNacked, PreconditionFailed
from celery import Celery
from kombu import Connection, Exchange, Queue, pools
from kombu.exceptions import KombuError, LimitExceeded, OperationalError
from kombu.transport import native_delayed_delivery as delayed
from kombu.utils.text import version_string_as_tuple

from project.addresses import in_url
from project.brokers.base import PublishRefused
from project.brokers.celery_broker import CeleryBroker
from project.brokers.job_records import JobMessage
from project.check import CHECK_TIMEOUT, Check
from project.leased_transport import QueueFull

INBOX = Queue("inbox", durable=True)  # another way to submit jobs, for any program
DEAD = "dead"  # the queue of dead letters
HEARTBEAT = 10  # seconds: a peer silent for twice as long is considered dead, and its messages are delivered again
UNACKNOWLEDGED = 30 * 60  # seconds that RabbitMQ lets a consumer hold a message, unless a job may run for longer
SOON = 1  # second: how long a message that did not fit waits before RabbitMQ tries again
OLDEST = (3, 10)  # older versions may lose a message while dead-lettering it
MANAGEMENT_PORT = 15672  # RabbitMQ's default

log = logging.getLogger(__name__)


class PublishersBlocked(PublishRefused):
    """RabbitMQ accepts no messages at the moment: its memory or disk alarm is on."""

    def __init__(self) -> None:
        """Say what is full, and what to do."""
        super().__init__(
            "RabbitMQ blocks publishers because it is low on memory or disk (rabbitmqctl alarms), so no job can be "
            "accepted; reading works. Try again later, or free memory and disk space there."
        )


class RabbitMQBroker(CeleryBroker):
    """Messages wait in RabbitMQ, which also delays them and counts the deliveries of poison jobs."""

    kind = "amqp"
    unknown = ("oldest_age",)
    separate_server = "RabbitMQ"

    def celery_options(self) -> dict[str, Any]:
        """Return Celery's options; with quorum queues it uses native delayed delivery by itself."""
        return super().celery_options() | {
            # otherwise a message is lost when its sender crashes before RabbitMQ has read it
            "broker_transport_options": {"confirm_publish": True},
            "broker_heartbeat": self._heartbeat(),
            "broker_native_delayed_delivery_queue_type": "quorum",
            # RabbitMQ redelivers the jobs of a lost connection, so a job that continued would run twice at once
            "worker_cancel_long_running_tasks_on_connection_loss": True,
            "worker_disable_prefetch": False,  # RabbitMQ itself limits how many messages a consumer holds
        }

    def _heartbeat(self) -> int:
        """Return the seconds between heartbeats.

        A job in the consumer's own process can keep it from sending any, and RabbitMQ would deliver the job again.
        """
        in_process = self.pool != "prefork"
        return max(HEARTBEAT, self.settings.task_time_limit) if in_process else HEARTBEAT

    def make_queue(self, name: str) -> Queue:
        """Return a queue that survives a crash of RabbitMQ and dead-letters messages that were delivered too often.

        RabbitMQ refuses to declare a queue again with other arguments: after a change of settings it must be deleted.
        """
        arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": self.settings.max_attempts - 1,
            "x-overflow": "reject-publish",
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": DEAD,
            "x-dead-letter-strategy": "at-least-once",
            "x-consumer-timeout": int(max(UNACKNOWLEDGED, 2 * self.settings.task_time_limit) * 1000),
        }
        limit = {"x-max-length": self.settings.queue_limit} if self.settings.queue_limit else {}
        # native delayed delivery needs a topic
        return Queue(name, Exchange(name, type="topic"), routing_key=name, queue_arguments=arguments | limit)

    def queues_for_producers(self) -> list[Queue]:
        """Return the queues `inbox` and `dead`, which producers read."""
        return [INBOX, dead_queue()]

    @contextmanager
    def producer(self) -> Iterator[Any]:
        """Lend a producer of messages that never waits longer than broker_connection_timeout for an answer.

        Raises kombu's OperationalError, whatever is wrong with RabbitMQ.
        """
        with _lend(self.app, self.app.producer_pool) as producer:
            yield producer

    def send(self, message: JobMessage) -> Any:
        """Send a message, delayed by whole seconds; raise QueueFull if the queue is full and *message.must_fit*.

        A running job cannot wait for room, so RabbitMQ delays its message until there is some.
        """
        publish = partial(message.publish, **self._publish_options(message))
        with self.producer() as producer:
            for delay in [message.seconds] if message.must_fit else [message.seconds, SOON]:
                try:
                    return publish(producer=producer, countdown=math.ceil(delay) or None)
                except OperationalError as error:
                    if not isinstance(error.__cause__, MessageNacked):
                        raise
        raise QueueFull(message.task.queue_name, 0)

    def _publish_options(self, message: JobMessage) -> dict[str, Any]:
        priority = message.options.get("priority", message.task.priority)
        return {
            # in RabbitMQ the highest number is the most urgent, here it is 0; RabbitMQ 3 ignores priorities
            "priority": None if priority is None else 9 - priority,
            "mandatory": True,  # otherwise a message for a deleted queue is lost
            "confirm_timeout": 2 * self.app.conf.broker_connection_timeout,
        }

    def depths(self, queues: list[str]) -> dict[str, dict[str, Any]]:
        """Return how many jobs wait, are delayed and run, per queue; RabbitMQ does not tell which waits longest."""
        ready = self._ready(queues)
        return {
            name: depth | {"waiting": ready[name] + depth["waiting"]} for name, depth in super().depths(queues).items()
        }

    def ping(self) -> None:
        """Raise an error unless both Redis and RabbitMQ can accept jobs."""
        super().ping()
        self._ready([self.app.conf.task_default_queue])

    def _ready(self, queues: list[str]) -> dict[str, int]:
        """Return how many messages wait in each queue; those that consumers hold are not counted."""
        # on connections that never publish: RabbitMQ does not answer on publishing ones while it blocks publishers
        reading = self.app.connection_for_read(transport_options={"confirm_publish": False})
        with _lend(self.app, pools.producers[reading]) as producer:
            bound = {name: self.app.amqp.queues[name](producer.channel) for name in queues}
            return {name: queue.queue_declare().message_count for name, queue in bound.items()}

    @property
    def management_api(self) -> str:
        """The URL of RabbitMQ's management API.

        Without user and password, so that Flower takes them from the broker's URL. Flower would put them into the URL
        that it derives itself, and its HTTP client would send them percent-encoded.
        """
        return f"http://{in_url(Connection(self.url).hostname)}:{MANAGEMENT_PORT}/api/"

    def check(self) -> Check:
        """Check that RabbitMQ accepts jobs and has the required version and queues."""
        connection = Connection(self.url, connect_timeout=CHECK_TIMEOUT / 2)
        try:
            connection.ensure_connection(max_retries=self.url.count(";"), reraise_as_library_errors=False)
            connection.connection.sock.settimeout(CHECK_TIMEOUT / 2)
            return self._check_connected(connection)
        except AccessRefused:
            return Check("broker", "failed", "RabbitMQ refuses the user", "correct user and password in BROKER_URL")
        except (*AmqpConnection.connection_errors, *AmqpConnection.channel_errors, KombuError) as error:
            found = f"RabbitMQ does not answer: {type(error).__name__}"
            return Check("broker", "failed", found, "start it, or correct BROKER_URL")
        finally:
            connection.collect()  # close() would wait for a reply

    def _check_connected(self, connection: Any) -> Check:
        """Check RabbitMQ's version and the arguments of a queue."""
        version = connection.connection.server_properties.get("version", "0")
        if version_string_as_tuple(version)[:2] < OLDEST:
            return Check("broker", "failed", f"RabbitMQ {version} is too old", "install 3.10 or newer")
        queue = self.make_queue("default")
        try:
            queue(connection.default_channel).queue_declare()
        except PreconditionFailed:
            cure = "drain the queues, delete them with `rabbitmqctl delete_queue NAME`, and start the stack again"
            return Check("broker", "failed", "the queues were declared with another MAX_ATTEMPTS or QUEUE_LIMIT", cure)
        return Check("broker", "ok", f"RabbitMQ {version} answers")


def dead_queue() -> Queue:
    """Return the queue of dead letters."""
    # by default RabbitMQ 4 drops a message after 20 deliveries
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
    return Queue(DEAD, Exchange(""), routing_key=DEAD, queue_arguments=arguments)


def declare_all(app: Celery, connection: Any) -> None:
    """Declare all queues, and the exchanges and queues that delay messages."""
    delayed.declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
    for queue in app.amqp.queues.values():
        queue(connection.default_channel).declare()
        delayed.bind_queue_to_native_delayed_delivery_exchange(connection, queue)


@contextmanager
def _lend(app: Celery, pool: Any) -> Iterator[Any]:
    """Lend a producer of a pool on a connection that answers; drop the connection after an error."""
    timeout, blocked = app.conf.broker_connection_timeout, Event()
    try:
        with pool.acquire(block=True, timeout=timeout) as producer:
            try:
                _connect(producer.connection, timeout, blocked)
                yield producer
            except BaseException:
                # a late answer must not be mistaken for the answer to the next message
                producer.connection.collect()
                raise
    except AmqpConnection.channel_errors as error:
        log.error("RabbitMQ refused an operation: %r", error)
        raise OperationalError(f"RabbitMQ: {error!r}") from error
    except (OperationalError, *AmqpConnection.connection_errors, LimitExceeded) as error:
        if blocked.is_set():
            raise PublishersBlocked from error
        raise (error if isinstance(error, OperationalError) else OperationalError(f"RabbitMQ: {error!r}")) from error


def _connect(connection: Any, timeout: float, blocked: Event) -> None:
    """Connect, or reconnect if RabbitMQ has closed the connection; set *blocked* when it blocks publishers."""
    if connection.connected:
        try:
            with suppress(TimeoutError):
                connection.drain_events(timeout=0)
        except Exception:
            connection.collect()
    connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
    connection.connection.sock.settimeout(timeout)
    connection.connection.on_blocked = lambda _: blocked.set()
