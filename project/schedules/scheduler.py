"""The scheduler that beat runs: Celery's own, with a heartbeat file for the container's health check."""

from typing import Any

from celery.beat import PersistentScheduler

from project.settings import get_settings


class Scheduler(PersistentScheduler):
    """Celery's file-backed scheduler that touches RUN_DIR/scheduler.alive at every tick."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Run what is due; return the seconds to sleep until the next tick."""
        (get_settings().run_dir / "scheduler.alive").touch()
        return float(super().tick(*args, **kwargs))
