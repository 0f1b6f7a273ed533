"""Touch a file while a consumer's event loop runs; the container's health check reads the file's age."""

from pathlib import Path
from typing import Any

from celery import signals


def connect(run_dir: Path) -> None:
    """Touch RUN_DIR/NAME.alive (consumer.1 for consumer.1@host) every 2 s, while Celery is connected.

    The first touch comes when the consumer can run jobs; Celery's first heartbeat would be too early.
    """
    ready: list[Path] = []

    @signals.worker_ready.connect(weak=False)
    def _begin(sender: Any, **_: Any) -> None:
        name = sender.hostname.partition("@")[0]
        ready.append(run_dir / f"{name}.alive")
        ready[0].touch()

    @signals.heartbeat_sent.connect(weak=False)
    def _touch(**_: Any) -> None:
        for path in ready:
            path.touch()
