"""The main process of a consumer with a forked pool: starts the other processes, and watches them.

It has one thread and no connection, so that what it forks inherits neither a lock nor a socket, and it never waits for
anything but signals and the clock: it kills a job at its hard time limit, whatever the job, Redis or the others do.
"""

import ctypes
import gc
import json
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from celery.platforms import EX_FAILURE
from celery.worker import state

from .forked_board import RunningJob, SlotBoard

logger = logging.getLogger(__name__)

TICK = 0.2  # seconds between two looks at the time limits
PAUSE = 1.0  # seconds before a process that ended at once, without a job, is started again
FRONT_GRACE, SLOT_GRACE = 5.0, 1.0  # seconds that a process may take to exit, once it has nothing to wait for
STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
ORDERS = signal.SIGUSR2  # the front process has written an order to a board
BLOCKED = (*STOP, ORDERS, signal.SIGCHLD)
PR_SET_PDEATHSIG = 1
KILLED = 128 + signal.SIGKILL  # the exit code of a shell for a killed process


@dataclass
class Child:
    """A process of the consumer: a slot's, or (without a board) the front process."""

    board: SlotBoard | None = None
    pid: int = 0
    started: float = -math.inf
    wait_until: float = -math.inf  # not to be started again before
    soft_sent: str = ""  # the delivery tag of the job that got the signal for its soft limit
    killed: tuple[str, str] = ("", "")  # why, and during which job


class SlotSupervisor:
    """Starts one front process, and one process per slot; starts them again when they end, until it has to stop."""

    def __init__(self, boards: list[SlotBoard], run_slot: Callable[[SlotBoard], int], shutdown_timeout: float) -> None:
        """Watch one slot per board; a soft shutdown waits *shutdown_timeout* seconds for running jobs."""
        self._run_slot, self._shutdown_timeout = run_slot, shutdown_timeout
        self._front, self._slots = Child(), [Child(board) for board in boards]
        self._reports: socket.socket | None = None
        self._stopping, self._deadline = False, math.inf

    def run(self) -> socket.socket:
        """Supervise until all processes have ended, then raise SystemExit; return in the front process only.

        The front process reads reports from the returned socket: one for each slot that ended with a job or leases.
        """
        gc.collect()
        gc.freeze()  # so that garbage collection in the children leaves these pages shared
        signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
        while True:
            if not self._front.pid and self._may_start(self._front) and (reports := self._start_front()):
                return reports
            for slot in self._slots:
                if not slot.pid and not self._stopping and self._may_start(slot):
                    self._start_slot(slot)
            if self._stopping and not any(slot.pid for slot in self._slots):
                self._end()
            if received := signal.sigtimedwait(BLOCKED, TICK):
                self._handle(received.si_signo)
            if state.should_stop is not None:  # set by Celery's SIGHUP handler: stop, and restart in this process
                self._stop()
            self._watch()

    # Starting

    def _may_start(self, child: Child) -> bool:
        return time.monotonic() >= child.wait_until

    def _start_front(self) -> socket.socket | None:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if self._fork(self._front) == 0:
            ours.close()
            for number in (*STOP, signal.SIGHUP, ORDERS):  # the supervisor tells it when to stop
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)
            return its
        its.close()
        ours.setblocking(False)
        self._reports = ours
        return None

    def _start_slot(self, slot: Child) -> None:
        assert slot.board is not None
        if self._fork(slot) == 0:
            code = EX_FAILURE
            try:
                code = self._run_slot(slot.board)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        slot.board.restart(slot.pid)

    def _fork(self, child: Child) -> int:
        """Fork a process that is killed when this one ends; return 0 in the new process."""
        supervisor = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != supervisor:
                os._exit(EX_FAILURE)
            return 0
        child.pid, child.started, child.killed, child.soft_sent = pid, time.monotonic(), ("", ""), ""
        return pid

    # Watching

    def _watch(self) -> None:
        self._reap()
        for slot in self._slots:
            if slot.pid and not slot.killed[0]:
                self._enforce_limits(slot)

    def _enforce_limits(self, slot: Child) -> None:
        assert slot.board is not None
        job, now = slot.board.job(), time.monotonic()
        cause, ordered = slot.board.ordered()
        if now >= self._deadline + (0 if job else SLOT_GRACE):
            self._kill(slot, "stop", job)
        elif job and now >= job.hard_deadline:
            self._kill(slot, "limit", job)
        elif job and ordered == job.tag:
            self._kill(slot, cause, job)
        elif job and now >= job.soft_deadline and slot.soft_sent != job.tag:
            slot.soft_sent = job.tag
            os.kill(slot.pid, signal.SIGUSR1)

    def _kill(self, slot: Child, cause: str, job: RunningJob | None) -> None:
        slot.killed = (cause, job.tag if job else "")
        os.kill(slot.pid, signal.SIGKILL)

    def _reap(self) -> None:
        for pid, status in _ended_children():
            for child in (self._front, *self._slots):
                if child.pid == pid:
                    child.pid = 0
                    self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, code: int) -> None:
        if child is self._front:
            if code == 0:  # the remote control command `shutdown`
                self._stop()
            elif code == KILLED:  # by chaos_exit (project/worker/chaos.py): exit too, and the kernel kills the slots
                os._exit(code)
            child.wait_until = time.monotonic() + PAUSE
            return
        assert child.board is not None
        job, (_, leases) = child.board.job(), child.board.leases.read()
        child.board.clear()
        if not job and time.monotonic() < child.started + PAUSE:
            child.wait_until = time.monotonic() + PAUSE
        if job or leases:
            self._report(child, code, job, leases)

    def _report(self, slot: Child, code: int, job: RunningJob | None, leases: list[Any]) -> None:
        """Tell the front process what has to be written about a slot that has ended."""
        cause, during = slot.killed
        if job and cause and during != job.tag:
            cause = "mistake"  # the job to be killed had just ended, so the kill hit this one by mistake
        self._tell(
            {
                "code": code,
                "cause": cause or "crash",
                "tag": job.tag if job else "",
                "limit": job.hard_limit if job and cause == "limit" else 0,
                "leases": [[field.decode() for field in lease[:3]] for lease in leases],
            }
        )

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            if self._reports:
                self._reports.send(json.dumps(message).encode())
        except OSError as error:  # the front process is away: the leases expire
            logger.warning("cannot report to the front process: %r", error)

    # Stopping

    def _handle(self, number: int) -> None:
        if number in STOP:
            remapped = number == signal.SIGTERM and os.environ.get("REMAP_SIGTERM") == "SIGQUIT"
            again = number == signal.SIGINT and self._stopping
            self._stop()
            if number == signal.SIGQUIT or remapped or again:
                # a second such signal does not wait
                soft = self._shutdown_timeout if self._deadline == math.inf else 0
                self._deadline = min(self._deadline, time.monotonic() + soft)

    def _stop(self) -> None:
        """Let running jobs end; fetch no others."""
        if not self._stopping:
            self._stopping = True
            self._tell({"cause": "stopping"})
            for slot in self._slots:
                if slot.pid:
                    os.kill(slot.pid, signal.SIGTERM)

    def _end(self) -> None:
        """End the front process, which first handles all reports, and then this one."""
        if self._reports:
            self._reports.close()
        end = time.monotonic() + FRONT_GRACE
        while self._front.pid and time.monotonic() < end:
            signal.sigtimedwait([signal.SIGCHLD], TICK)
            self._reap()
        if self._front.pid:
            os.kill(self._front.pid, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED)  # the program that SIGHUP restarts inherits the mask
        raise SystemExit(0)


def _ended_children() -> Iterator[tuple[int, int]]:
    """Yield process and wait status of each child that has ended."""
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            yield pid, status
    except ChildProcessError:
        return
