"""The pool `forked`: each slot is a process that fetches, runs and ends its own jobs.

A consumer with this pool consists of

- the supervisor, its main process (forked_supervisor.py), which enforces time limits and restarts processes that end;
- the front process, with Celery's worker as the outside knows it: remote control, worker events, heartbeat. It runs no
  jobs; it renews leases for slots whose jobs hold the interpreter's lock, and reports what happened to jobs whose
  process was killed (forked_front.py);
- one process per slot, with a worker of its own that has a solo pool (forked_slot.py).
"""

import os
from functools import partial
from signal import SIGTERM
from typing import Any

from celery.concurrency.base import BasePool
from celery.exceptions import ImproperlyConfigured

from .forked_board import QueueBoard, SlotBoard
from .forked_front import Front
from .forked_slot import run_slot
from .forked_supervisor import ORDERS, SlotSupervisor
from .lease_board import Lease
from .standby_process import is_stopped


class TaskPool(BasePool):
    """Selected by Celery's setting worker_pool, together with the leased transport."""

    consumer: Any = None  # set by the leased transport's Consumer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Share memory with the slots, which are forked later."""
        super().__init__(*args, **kwargs)
        self.boards = [SlotBoard() for _ in range(self.limit)]
        self.queues = QueueBoard()

    def on_start(self) -> None:
        """Fork all other processes; this method returns in the front process only."""
        if self.consumer is None:
            raise ImproperlyConfigured("the pool `forked` needs the leased transport: use another pool")
        timeout = self.app.conf.worker_soft_shutdown_timeout or 0
        reports = SlotSupervisor(self.boards, partial(run_slot, self.consumer), timeout).run()
        self.consumer.hub.reset()  # the poller is the supervisor's
        if names := self.queues.read():  # this process takes the place of one that has ended
            self.app.amqp.queues.select(names)
        self.front = Front(self.consumer, self.boards, reports)

    def register_with_event_loop(self, hub: Any) -> None:
        """Listen to the supervisor, after each (re)connect."""
        self.front.listen(hub)

    def order(self, board: SlotBoard, cause: str, tag: str) -> None:
        """Have the process of a slot killed, if it still runs this job."""
        board.order(cause, tag)
        os.kill(os.getppid(), ORDERS)

    def stop_run(self, job_id: str, run: str) -> bool:
        """Kill the process that runs this attempt of a job; return False if no slot does."""
        tag = f"{run}:{job_id}"
        for board in self.boards:
            if (job := board.job()) and job.tag == tag:
                self.order(board, "cancel", tag)
                return True
        return False

    def slot_leases(self) -> list[Lease]:
        """Return the leases of all slots with a process that is not stopped."""
        leases = []
        for board in self.boards:
            _, held = board.leases.read()
            if held and not is_stopped(board.pid):
                leases += [Lease(each[0].decode(), int(each[1]), each[2].decode()) for each in held]
        return leases

    def terminate_job(self, pid: int, signal: Any = None) -> None:
        """Send a signal to the process of a slot."""
        os.kill(pid, signal or SIGTERM)

    def jobs_done(self) -> int:
        """Return how many jobs the slots have run to an end."""
        return sum(board.jobs for board in self.boards)

    @property
    def num_processes(self) -> int:
        """Return the number of slots."""
        return int(self.limit)

    def _get_info(self) -> dict[str, Any]:
        known = {
            "max-concurrency": self.limit,
            "processes": [board.pid for board in self.boards],
            "max-tasks-per-child": self.options.get("maxtasksperchild") or "N/A",
            "put-guarded-by-semaphore": False,
            "timeouts": (self.options.get("soft_timeout") or 0, self.options.get("timeout") or 0),
        }
        return dict(super()._get_info()) | known
