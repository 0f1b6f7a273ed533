"""Celery's settings for each kind of broker URL."""

from typing import Any

ALWAYS: dict[str, Any] = {
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
}
LEASED: dict[str, Any] = {
    "broker_transport": f"{__package__}.transport:Transport",
    "worker_consumer": f"{__package__}.consumer:Consumer",
    # A running job keeps its lease over a reconnect, so there is nothing to cancel and nothing to fetch less of.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_enable_prefetch_count_reduction": False,
}


def celery_settings(
    broker_url: str, *, result_url: str | None = None, result_ttl: int = 86_400, socket_timeout: float = 1.0,
    publish_retries: int = 0, **protocol: float | None,
) -> dict[str, Any]:  # fmt: skip
    """Return the options that select the leased transport (redis://), kombu's own (redis+stock://) or RabbitMQ.

    Times are seconds. *protocol* takes lease, max_attempts, queue_limit and recent_limit. With the leased transport
    results live in the broker's Redis; *result_url* is for the others.
    """
    url = broker_url.replace("redis+stock://", "redis://", 1)
    timeouts = {"socket_timeout": socket_timeout, "socket_connect_timeout": socket_timeout}
    # All three URLs, because `celery -b` and Celery itself also read BROKER_URL and CELERY_BROKER_URL, untranslated.
    common = ALWAYS | dict.fromkeys(("broker_url", "broker_read_url", "broker_write_url"), url)
    common |= dict.fromkeys(("broker_connection_timeout", "broker_pool_acquire_timeout"), socket_timeout)
    common |= {f"redis_{name}": value for name, value in timeouts.items()} | {"result_expires": result_ttl}
    policy = {"max_retries": publish_retries, "interval_start": 0, "interval_step": 0.2}
    common |= {"task_publish_retry": publish_retries > 0, "task_publish_retry_policy": policy}
    if url != broker_url:
        return common | {"result_backend": result_url or url, "broker_transport_options": timeouts}
    if not url.startswith(("redis://", "rediss://")):
        return common | {"result_backend": result_url}
    options = (
        timeouts | {"result_ttl": result_ttl} | {name: value for name, value in protocol.items() if value is not None}
    )
    backend = f"{__package__}.backend:Backend+{url}"
    return common | LEASED | {"broker_transport_options": options, "result_backend": backend}
