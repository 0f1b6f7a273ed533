"""Set Celery's options, under Celery's own names; docs/explanation/settings.md has the reasons."""

from pkgutil import iter_modules
from typing import Any

from project.brokers import Broker
from project.celery_config import tasks
from project.settings import Settings

#: Pools that Celery does not know by their names.
OWN_POOLS = {"forked": "project.leased_transport.forked:TaskPool"}


def celery_options(settings: Settings, broker: Broker) -> dict[str, Any]:
    """Return Celery's configuration; the broker adds the options that depend on it."""
    return {
        "imports": _task_modules(),
        **broker.celery_options(),
        **_jobs(settings),
        **_consumers(settings, broker.pool),
        **_scheduler(settings),
    }


def _task_modules() -> list[str]:
    """Return the modules of project/celery_config/tasks: a new one needs no entry anywhere."""
    return [f"{tasks.__name__}.{module.name}" for module in iter_modules(tasks.__path__)]


def _jobs(settings: Settings) -> dict[str, Any]:
    return {
        "task_default_queue": "default",
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "task_time_limit": settings.task_time_limit,
        "task_soft_time_limit": settings.task_soft_time_limit,
        "timezone": "UTC",
    }


def _scheduler(settings: Settings) -> dict[str, Any]:
    return {
        "beat_scheduler": "project.schedules.beat:Scheduler",
        # the scheduler notices a new schedule within this time
        "beat_max_loop_interval": 0.5,
        "beat_schedule": _periodic_jobs(settings),
    }


def _periodic_jobs(settings: Settings) -> dict[str, Any]:
    """Return the stack's own schedules: seconds, or a cron expression in UTC (for project/schedules/periodic.py)."""
    jobs: dict[str, dict[str, Any]] = {
        "hello": {"task": "hello", "schedule": settings.hello_every},
        "purge-records": {"task": "purge_records", "schedule": settings.purge_every},
        "backup-database": {"task": "backup_database", "schedule": settings.backup_database_at},
        "backup-ftp": {"task": "backup_ftp", "schedule": settings.backup_ftp_at},
    }
    return {name: job for name, job in jobs.items() if job["schedule"]}


def _consumers(settings: Settings, pool: str) -> dict[str, Any]:
    return {
        "worker_pool": OWN_POOLS.get(pool, pool),
        "worker_concurrency": settings.consumer_slots,
        "worker_max_memory_per_child": settings.consumer_slot_memory * 1024 or None,
        "worker_soft_shutdown_timeout": settings.shutdown_timeout,
        "worker_send_task_events": True,
        "task_send_sent_event": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }
