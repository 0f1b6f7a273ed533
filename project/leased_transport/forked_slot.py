"""The process of a slot: a worker with a solo pool that fetches, runs and ends jobs itself."""

import math
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from celery import signals
from celery.concurrency import solo
from celery.concurrency.base import apply_target
from celery.exceptions import SoftTimeLimitExceeded
from celery.platforms import EX_FAILURE, EX_OK
from celery.worker import state
from kombu.asynchronous import get_event_loop, set_event_loop

from .forked_board import SlotBoard

#: Each means: let the running job finish, then exit. The supervisor sends SIGTERM, a terminal or launcher the others.
LEAVE = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

#: Options that the slots' workers take from the one that was started.
INHERITED = (
    *("loglevel", "logfile", "task_events", "optimization", "prefetch_multiplier", "disable_rate_limits"),
    *("time_limit", "soft_time_limit", "max_tasks_per_child", "max_memory_per_child"),
)


class SlotPool(solo.TaskPool):
    """Runs one job at a time, and shows it to the supervisor, which watches its time limits."""

    slot: SlotBoard  # set by a subclass for each process
    slots = 1  # of the consumer, likewise

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Note the limits of the process."""
        super().__init__(*args, **kwargs)
        self.on_apply = self._run
        self._soft_deadline, self._jobs = math.inf, 0

    def on_start(self) -> None:
        """Replace the signal handlers that Celery has just installed."""
        signal.signal(signal.SIGUSR1, self._soft_limit)
        for number in LEAVE:
            signal.signal(number, _leave)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def _run(self, target: Any, args: Any = (), kwargs: Any = None, **options: Any) -> None:
        soft = options.pop("soft_timeout", None) or self.options["soft_timeout"] or math.inf
        hard = options.pop("timeout", None) or self.options["timeout"] or math.inf
        task, job_id, request = args[:3] if isinstance(args[0], str) else (args[0].name, *args[1:3])

        def run(*args: Any, **kwargs: Any) -> Any:
            """Run the job with its limits known to the supervisor."""
            self._soft_deadline = time.monotonic() + soft
            self.slot.begin(f"{request.get('attempt', '')}:{job_id}", task, soft, hard)
            try:
                return target(*args, **kwargs)
            except BaseException as error:  # Celery's tracer has failed, or the job has called exit()
                self._crash(error)
            finally:
                self._soft_deadline = math.inf
                self.slot.end()

        apply_target(run, args, kwargs, **options)
        self._jobs += 1
        self.slot.count()
        if self._is_worn_out():
            state.should_stop = EX_OK

    def _crash(self, error: BaseException) -> None:
        """End this process as a crash of the job; results of earlier jobs are written first."""
        print(f"the process of a slot ends: {error!r}", file=sys.stderr, flush=True)
        with suppress(Exception):
            self.app.lease_keeper.flush()
        os._exit(EX_FAILURE)

    def _is_worn_out(self) -> bool:
        """Return whether a new process should take over."""
        jobs, kibibytes = self.options["maxtasksperchild"], self.options["max_memory_per_child"]
        if kibibytes and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > kibibytes:
            return True
        return bool(jobs and self._jobs >= jobs)

    def _soft_limit(self, *_: Any) -> None:
        if time.monotonic() >= self._soft_deadline:  # otherwise the signal was for a job that has just ended
            self._soft_deadline = math.inf
            raise SoftTimeLimitExceeded


def _leave(*_: Any) -> None:
    state.should_stop = EX_OK


def run_slot(consumer: Any, board: SlotBoard) -> int:
    """Run a worker in this forked process until it is asked to leave; return its exit code.

    consumer: the one of the parent's worker, which was never started; the new worker has its name and options.
    """
    parent, app = consumer.controller, consumer.app
    sys.stdin = open(os.devnull)  # noqa: SIM115  # for the life of this process
    if hub := get_event_loop():
        hub.close()  # it was the parent's
    set_event_loop(None)
    worker = app.Worker(
        hostname=parent.hostname,
        pool_cls=type("SlotPool", (SlotPool,), {"slot": board, "slots": parent.concurrency}),
        concurrency=1,
        queues=consumer.pool.queues.read() or list(app.amqp.queues.consume_from),
        ready_callback=lambda _: None,  # the front process is what the outside knows of this consumer
        quiet=True,
        without_heartbeat=True,
        without_gossip=True,
        without_mingle=True,
        **{name: getattr(parent, name) for name in INHERITED},
    )
    worker.start()
    code = int(worker.exitcode or EX_OK)
    signals.worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=code)
    return code
