"""Asks a consumer to stop while its pool receives a job; the consumer loads it as one of TASK_MODULES."""

import os
import signal
from typing import Any

from billiard.pool import ApplyResult
from celery.signals import worker_ready


@worker_ready.connect
def _interrupt(sender: Any, **_: Any) -> None:
    """Interrupt the main thread where it holds a lock that the pool needs to stop."""
    if sender.app.conf.worker_pool == "threads":
        executor = sender.pool.executor
        executor._adjust_thread_count = _then_stop(executor._adjust_thread_count)  # which submit() calls
    else:
        ApplyResult._ack = _locked_stop(ApplyResult._ack)  # which hears that a process has begun a job


def _then_stop(method: Any) -> Any:
    def call() -> None:
        method()
        os.kill(os.getpid(), signal.SIGQUIT)

    return call


def _locked_stop(method: Any) -> Any:
    def call(result: ApplyResult, *arguments: Any) -> Any:
        with result._mutex:
            os.kill(os.getpid(), signal.SIGQUIT)
        return method(result, *arguments)

    return call
