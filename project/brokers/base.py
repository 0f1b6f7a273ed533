"""Celery's settings for each kind of broker URL: redis (leased), redis+stock (kombu's own) or amqp (RabbitMQ)."""

from typing import Any

from celery import Celery

from project.brokers import rabbitmq
from project.leased_transport import celery_settings, records

ALWAYS: dict[str, Any] = {
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "task_publish_retry": False,
    "task_default_priority": records.DEFAULT_PRIORITY,
}
#: Keys of kombu's own transport, apart from those of the leased one, whose lists hold ids instead of messages.
STOCK_PREFIX = "stock:"
STOCK: dict[str, Any] = {"global_keyprefix": STOCK_PREFIX, "priority_steps": records.PRIORITY_STEPS}


def kind_of(app: Celery) -> str:
    """Return the kind of an app's broker: leased, stock or amqp."""
    if rabbitmq.is_amqp(app.conf.broker_url):
        return "amqp"
    return "leased" if app.conf.broker_transport else "stock"


def stock_lists(queue: str) -> list[str]:
    """Return the lists that hold the messages of a queue of kombu's own transport, most urgent first."""
    steps = records.PRIORITY_STEPS
    return [STOCK_PREFIX + queue + (f"\x06\x16{step}" if step else "") for step in steps]


def broker_settings(
    broker_url: str, *, result_url: str | None = None, result_ttl: int = 86_400, socket_timeout: float = 1.0,
    **protocol: float,
) -> dict[str, Any]:  # fmt: skip
    """Return the options that select the broker.

    Times are seconds. *protocol* takes lease, max_attempts, queue_limit and recent_limit. With the leased transport
    results live in the broker's Redis; *result_url* is for the others.
    """
    url = broker_url.replace("redis+stock://", "redis://", 1)
    timeouts = {"socket_timeout": socket_timeout, "socket_connect_timeout": socket_timeout}
    # All three URLs, because `celery -b` and Celery itself also read BROKER_URL and CELERY_BROKER_URL, untranslated.
    common = ALWAYS | dict.fromkeys(("broker_url", "broker_read_url", "broker_write_url"), url)
    common |= dict.fromkeys(("broker_connection_timeout", "broker_pool_acquire_timeout"), socket_timeout)
    common |= {f"redis_{name}": value for name, value in timeouts.items()} | {"result_expires": result_ttl}
    publishing: dict[str, float] = timeouts | {"max_retries": 0}
    if url != broker_url:
        return common | {"result_backend": result_url or url, "broker_transport_options": publishing | STOCK}
    if rabbitmq.is_amqp(url):
        return common | {"result_backend": result_url} | rabbitmq.options()
    return common | celery_settings(url, **publishing, result_ttl=result_ttl, **protocol)
