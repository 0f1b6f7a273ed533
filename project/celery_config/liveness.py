"""A file that is touched while a consumer's event loop is alive; its age is the container's health check."""

from pathlib import Path
from typing import Any

from celery import signals


def connect(run_dir: Path) -> None:
    """Touch RUN_DIR/consumer.alive at every heartbeat (each 2 s, and only while connected to the broker)."""
    alive = run_dir / "consumer.alive"

    @signals.heartbeat_sent.connect(weak=False)
    def _touch(**_: Any) -> None:
        alive.touch()
