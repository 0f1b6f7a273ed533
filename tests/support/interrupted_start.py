"""A module of tasks that stops its consumer while it starts: Celery sends its first heartbeat before the event loop runs."""

import os
import signal
from typing import Any

from celery import current_app, signals


@signals.heartbeat_sent.connect
def _stop(**_: Any) -> None:
    signals.heartbeat_sent.disconnect(_stop)
    forked = current_app.conf.worker_pool.endswith("forked:TaskPool")  # where another process is the main one
    os.kill(os.getppid() if forked else os.getpid(), signal.SIGQUIT)
