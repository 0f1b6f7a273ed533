"""Soft shutdown: a consumer that stops waits for its running jobs, but not longer than they take."""

import logging
import mmap
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread, Timer
from typing import Any

from billiard.process import current_process
from celery import Celery, signals
from celery.apps.worker import REMAP_SIGTERM, Worker
from celery.platforms import EX_FAILURE
from celery.worker import state
from redis.exceptions import RedisError

from project.leased_transport.forked_front import handed_back
from project.leased_transport.lease_keeper import LeaseKeeper
from project.worker import between_callbacks

log = logging.getLogger("glassqueue.job")

# Shared by a consumer and its pool processes, because a consumer that is stopping cannot read their messages.
# Byte 0 is set when the running jobs are about to be handed back; each other byte is set while a pool process is busy.
_SHARED = mmap.mmap(-1, 4096)
_HANDING_BACK = 0

#: The signals that begin a soft shutdown.
SIGNALS = [signal.SIGQUIT, *([signal.SIGTERM] if REMAP_SIGTERM == "SIGQUIT" else [])]


class PromptWorker(Worker):
    """Celery's worker, with a soft shutdown that ends with the last job instead of after the whole timeout."""

    def wait_for_soft_shutdown(self) -> None:
        """Wait until all jobs have ended, at most worker_soft_shutdown_timeout seconds."""
        timeout = self.app.conf.worker_soft_shutdown_timeout
        if self._pool_is("prefork"):
            _wait_until(lambda: not self._busy(), timeout)
            self.consumer.cancel_active_requests = partial(self._stop_all, self.consumer.cancel_active_requests)
        else:
            # these pools cannot stop a job; in a solo pool this code runs inside the job, and cancelling would fail it
            self.consumer.cancel_active_requests = lambda: None
            keeper = getattr(self.consumer, "keeper", None)  # with the leased transport
            if keeper and keeper.is_open:
                timer = Timer(timeout, _leave, [keeper])
                timer.daemon = True  # so that it does not keep the process alive once the jobs have ended
                timer.start()
            if self._pool_is("thread"):
                _wait_until(lambda: not (state.active_requests or state.reserved_requests), timeout)
                # this code may have interrupted submit(), which holds the lock that the pool needs to stop
                pool = self.consumer.pool
                stop = pool.stop
                pool.stop = lambda: Thread(target=stop, daemon=True).start()
        _SHARED[_HANDING_BACK] = 1

    def on_consumer_ready(self, consumer: Any) -> None:
        """Handle signals in the event loop from now on, if the pool has one."""
        state.maybe_shutdown()  # asked to stop while it started: Celery would begin the loop without its pool
        super().on_consumer_ready(consumer)
        if self._pool_is("prefork"):
            between_callbacks.handle(consumer, SIGNALS)

    def _busy(self) -> list[Any]:
        """Return the processes of the pool that run a job."""
        return [each for each in self.pool._pool._pool if _SHARED[each.index + 1] and each.exitcode is None]

    def _stop_all(self, cancel: Callable[[], None]) -> None:
        """Stop all running jobs, including those that the pool has not yet reported as running."""
        known = {request.worker_pid for request in state.active_requests}
        cancel()
        for process in self._busy():
            if process.pid not in known:
                self.pool.terminate_job(process.pid, signal.SIGTERM)

    def _pool_is(self, name: str) -> bool:
        return self.pool_cls.__module__.endswith(f".{name}")


def _wait_until(idle: Callable[[], bool], timeout: float) -> None:
    """Wait until idle() is true twice in a row, because a fetched job takes a moment to reach its process."""
    end, before = time.monotonic() + timeout, False
    while time.monotonic() < end:
        if before and idle():
            return
        before = idle()
        time.sleep(0.1)


def _leave(keeper: LeaseKeeper) -> None:
    """End this process although jobs still run in it, and hand them back."""
    for request in tuple(state.active_requests):
        _log_handed_back(request.id, request.task.name)
    with suppress(RedisError):
        keeper.close()
    signals.worker_shutdown.send(sender=None)
    os._exit(EX_FAILURE)


def _log_handed_back(job_id: str, task: str, **_: Any) -> None:
    log.warning("handed back job_id=%s task=%s", job_id, task)


def connect(app: Celery) -> None:
    """Make the app's consumers stop promptly."""
    app.Worker = app.subclass_with_self(PromptWorker, name="Worker")
    handed_back.connect(_log_handed_back)  # by the forked pool
    signals.worker_process_init.connect(_mark_free)
    signals.task_prerun.connect(_mark_busy)
    signals.task_postrun.connect(_mark_free)


def handing_back() -> bool:
    """Return whether jobs that end without a status are being handed back, because their consumer is stopping."""
    return _SHARED[_HANDING_BACK] == 1


def _mark_busy(**_: Any) -> None:
    _set(1)


def _mark_free(**_: Any) -> None:
    _set(0)


def _set(value: int) -> None:
    index = getattr(current_process(), "index", None)  # the position in the pool; the main process has none
    if index is not None and index + 1 < len(_SHARED):
        _SHARED[index + 1] = value
