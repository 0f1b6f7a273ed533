"""Celery's options under Celery's own names; docs/explanation/settings.md gives the reason of each."""

from typing import Any

from project.settings import Settings


def celery_options(settings: Settings) -> dict[str, Any]:
    """Return what Celery is configured with."""
    return {
        "imports": ["project.celery_config.tasks.demo"],
        **_broker(settings),
        **_results(settings),
        **_jobs(settings),
        **_consumers(settings),
        **_scheduler(settings),
    }


def _broker(settings: Settings) -> dict[str, Any]:
    return {
        "broker_url": settings.broker,
        # as many connections as FastAPI has threads, so that none waits for another
        "broker_pool_limit": 40,
        "broker_connection_timeout": settings.redis_timeout,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {
            "socket_timeout": settings.redis_timeout,
            "socket_connect_timeout": settings.redis_timeout,
            "socket_keepalive": True,
            # 3 x the hard limit: a job is never taken for lost while it still runs
            "visibility_timeout": 3 * settings.task_time_limit,
        },
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0},
    }


def _results(settings: Settings) -> dict[str, Any]:
    return {
        "result_backend": f"project.broker.backend:RecordBackend+{settings.redis}",
        "result_expires": settings.result_ttl,
        "redis_socket_timeout": settings.redis_timeout,
        "redis_socket_connect_timeout": settings.redis_timeout,
        "redis_socket_keepalive": True,
        "task_track_started": True,
    }


def _jobs(settings: Settings) -> dict[str, Any]:
    return {
        "task_default_queue": "default",
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "task_time_limit": settings.task_time_limit,
        "task_soft_time_limit": settings.task_soft_time_limit,
        # a job is acknowledged when it has ended, so a consumer that dies gives it back
        "task_acks_late": True,
        "timezone": "UTC",
    }


def _scheduler(settings: Settings) -> dict[str, Any]:
    return {
        "beat_scheduler": "project.schedules.scheduler:Scheduler",
        "beat_schedule_filename": str(settings.run_dir / "beat-schedule"),
        # wake at least this often: the health check allows 15 s of silence
        "beat_max_loop_interval": 5,
        "beat_schedule": {},
    }


def _consumers(settings: Settings) -> dict[str, Any]:
    return {
        "worker_pool": settings.consumer_pool,
        "worker_concurrency": settings.consumer_slots,
        # take a job only when a slot is free: the rest stays in Redis for the next consumer
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_soft_shutdown_timeout": settings.shutdown_timeout,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_send_task_events": True,
        "task_send_sent_event": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }
