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
    # Running jobs keep their leases over a reconnect, so Celery need not cancel them or fetch fewer jobs afterwards.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_enable_prefetch_count_reduction": False,
}


def celery_settings(url: str, **protocol: Any) -> dict[str, Any]:
    """Return the settings that select the leased transport and its result backend, both in the Redis at *url*.

    *protocol* is passed on to the transport: lease and result_ttl (seconds), max_attempts, queue_limit, recent_limit,
    and options of kombu's Redis transport, such as socket_timeout.
    """
    places = {"broker_url": url, "result_backend": f"{__package__}.backend:Backend+{url}"}
    return LEASED | places | {"broker_transport_options": protocol}
