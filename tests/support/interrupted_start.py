"""A module of tasks that stops its consumer while it starts: Celery sends its first heartbeat before the event loop runs."""

import os
import signal
from typing import Any

from celery import signals


@signals.heartbeat_sent.connect
def _stop(**_: Any) -> None:
    signals.heartbeat_sent.disconnect(_stop)
    os.kill(os.getpid(), signal.SIGQUIT)
