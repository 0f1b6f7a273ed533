"""Asks a consumer to stop while its thread pool takes a job; the consumer loads it as one of TASK_MODULES."""

import os
import signal
from typing import Any

from celery.signals import worker_ready


@worker_ready.connect
def _interrupt_submit(sender: Any, **_: Any) -> None:
    executor = sender.pool.executor
    start_thread = executor._adjust_thread_count  # submit() calls it while it holds the lock of the executor

    def start_thread_and_stop() -> None:
        start_thread()
        os.kill(os.getpid(), signal.SIGQUIT)

    executor._adjust_thread_count = start_thread_and_stop
