"""The Celery settings that select the leased transport."""

from typing import Any

from .keys import DEFAULT_PRIORITY

LEASED: dict[str, Any] = {
    "broker_transport": f"{__package__}.transport:Transport",
    "worker_consumer": f"{__package__}.consumer:Consumer",
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "task_default_priority": DEFAULT_PRIORITY,  # kombu would send 0, the most urgent
    # A running job keeps its lease over a reconnect, so there is nothing to cancel and nothing to fetch less of.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_enable_prefetch_count_reduction": False,
}


def celery_settings(url: str, **protocol: Any) -> dict[str, Any]:
    """Return what selects the leased transport and its result backend, both in the Redis at *url*.

    *protocol* is passed on to the transport: lease and result_ttl (seconds), max_attempts, queue_limit, recent_limit,
    and what kombu's Redis transport takes, such as socket_timeout.
    """
    places = {"broker_url": url, "result_backend": f"{__package__}.backend:Backend+{url}"}
    return LEASED | places | {"broker_transport_options": protocol}
