"""Touch a file while a consumer's event loop runs; the container's health check reads the file's age."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import signals


def connect(run_dir: Path) -> None:
    """Touch RUN_DIR/NAME.alive (consumer.1 for consumer.1@host) every 2 s, while Celery is connected.

    The first touch comes when the consumer can run jobs; Celery's first heartbeat would be too early. Without the
    folder, as with `make consumer` for a stack on another machine, nothing reads such a file.
    """
    ready: list[Path] = []

    @signals.worker_ready.connect(weak=False)
    def _begin(sender: Any, **_: Any) -> None:
        name = sender.hostname.partition("@")[0]
        ready.append(run_dir / f"{name}.alive")
        _touch()

    @signals.heartbeat_sent.connect(weak=False)
    def _touch(**_: Any) -> None:
        for path in ready:
            with suppress(FileNotFoundError):
                path.touch()
