"""Touch a file while a consumer's event loop runs; the container's health check reads the file's age."""

from pathlib import Path
from typing import Any

from celery import signals


def connect(run_dir: Path) -> None:
    """Touch RUN_DIR/NAME.alive (consumer.1 for consumer.1@host) every 2 s, while Celery is connected."""

    @signals.heartbeat_sent.connect(weak=False)
    def _touch(sender: Any, **_: Any) -> None:
        name = sender.eventer.hostname.partition("@")[0]
        (run_dir / f"{name}.alive").touch()
