"""Send consumers a remote control command, within the time that a client may wait."""

from typing import Any

from celery import Celery

from project.brokers import rabbitmq
from project.brokers.fast_publisher import library_errors


def broadcast(app: Celery, command: str, arguments: dict[str, Any]) -> None:
    """Send a command to all consumers; raise kombu's OperationalError while the broker is away.

    Celery's own broadcast() repeats a message that cannot be sent for ever.
    """
    exchange = app.control.mailbox.exchange
    message = {"method": command, "arguments": arguments, "destination": None, "pattern": None, "matcher": None}
    with library_errors(), _producer(app) as producer:
        producer.publish(
            message, exchange=exchange.name, declare=[exchange], headers={"clock": 0, "expires": 0}, serializer="json"
        )


def _producer(app: Celery) -> Any:
    """Return a context that lends a producer of messages."""
    if rabbitmq.is_amqp(app.conf.broker_url):
        return rabbitmq.sender(app)
    return app.producer_pool.acquire(block=True, timeout=app.conf.broker_pool_acquire_timeout)
