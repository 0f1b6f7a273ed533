"""What this process holds: leased jobs, endings not yet written, and the thread that looks after both."""

import logging
import math
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from . import scripts
from .errors import describe
from .records import RECENT_LIMIT
from .standby import Standby

logger = logging.getLogger(__name__)

WRITE_BEHIND = 0.005  # seconds that an ending may wait for company
PATIENCE = 0.05  # seconds that fetched jobs may wait behind a running one


@dataclass(frozen=True)
class Options:
    """The transport options that the protocol knows."""

    lease: float = 15.0
    max_attempts: int = 3
    queue_limit: int = 0
    result_ttl: int = 86_400
    recent_limit: int = RECENT_LIMIT


@dataclass
class Hold:
    """One lease: the token tells this attempt from all others."""

    id: str
    token: int
    queue: str
    limit: float = math.inf  # hard time limit, in seconds
    ended: bool = False


@dataclass
class LeaseKeeper:
    """The leases of one process; survives reconnects of the transport, but not a fork."""

    client: Redis | None = None
    options: Options = field(default_factory=Options)
    consumer: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    queues: list[str] = field(default_factory=list)
    held: dict[str, Hold] = field(default_factory=dict)
    endings: deque[list[Any]] = field(default_factory=deque)
    backlog: deque[tuple[str, dict[str, Any], str]] = field(default_factory=deque)
    delivered_at: float = 0.0
    impatient: bool = False  # the backlog had to be handed back: fetch less
    leaving: bool = False  # asked to stop: what comes back from now on is no death
    stopping: bool = False
    pid: int = 0
    standby: Standby | None = None  # if jobs run in this process
    _lock: Any = field(default_factory=threading.Lock)
    _wake: threading.Event = field(default_factory=threading.Event)

    def open(self, client: Redis, options: Options, runs_jobs: bool = False) -> None:
        """Start looking after the leases of this process; a forked child starts with none.

        runs_jobs: jobs run in this process, and may hold the interpreter's lock for longer than a lease.
        """
        vars(self).update(vars(LeaseKeeper(client, options, self.consumer, self.queues, pid=os.getpid())))
        if runs_jobs:
            known = options.lease, options.max_attempts, options.result_ttl
            self.standby = Standby(client.connection_pool, self.consumer, *known)
        threading.Thread(target=self._keep, name="leases", daemon=True).start()

    def hold(self, job_id: str, token: int, queue: str) -> str:
        """Note a lease that was just taken; return the delivery tag that stands for it."""
        tag = f"{token}:{job_id}"
        self.held[tag] = Hold(job_id, token, queue)
        return tag

    def fetched(self, jobs: list[tuple[str, dict[str, Any], str]]) -> None:
        """Line up jobs to be delivered one by one."""
        self.delivered_at = time.monotonic()
        self.backlog.extend(jobs)
        if self.standby:
            self.standby.show(list(self.held.values()))
        if len(self.backlog) > 1:
            self._wake.set()

    def end(self, job_id: str, token: Any, status: str, fields: list[Any]) -> bool:
        """Write a status soon, together with others; False if this process does not hold the job."""
        hold = self.held.get(f"{token}:{job_id}") if self.pid == os.getpid() else None
        if hold is None:
            return False
        hold.ended = hold.ended or status in ("SUCCESS", "FAILURE", "REVOKED")
        self._write([job_id, token, status, len(fields), *fields])
        return True

    def release(self, tag: str, failure: Exception | None = None) -> None:
        """Let go of a job; one that ended without a status only loses its lease, or gets *failure*."""
        hold = self.held.pop(tag, None)
        if hold and not hold.ended:
            fields = ["error", describe(failure)] if failure else []
            self._write([hold.id, hold.token, "FAILURE" if failure else "", len(fields), *fields])

    def _write(self, ending: list[Any]) -> None:
        self.endings.append(ending)
        if len(self.endings) == 1:
            self._wake.set()

    def flush(self) -> None:
        """Write all endings in one step; those that do not get through stay, in their order."""
        if self.client is None or not (self.endings or self.stopping):  # the last time: wait for the thread's own flush
            return
        with self._lock:
            batch = [self.endings.popleft() for _ in range(min(len(self.endings), 500))]
            args = [self.options.result_ttl, *(value for ending in batch for value in ending)]
            try:
                refused = scripts.FINISH(self.client, [], args)
            except BaseException:
                self.endings.extendleft(reversed(batch))
                raise
        if refused:
            logger.warning("late endings refused, another attempt owns the job: %s", refused)

    def hand_back(self, tags: Iterable[str], what: str = "return") -> None:
        """Put jobs back at the head of their queues, the first tag foremost.

        what: "return" for jobs that never ran here, "stop" for those that did, "death" for those that took it down.
        """
        holds = [hold for tag in tags if (hold := self.held.pop(tag, None)) and not hold.ended]
        if holds:
            self._renew_or_hand_back(what, reversed(holds), [])

    def _renew_or_hand_back(self, what: str, holds: Iterable[Hold], queues: list[str]) -> set[str]:
        assert self.client is not None
        known = [what, self.options.lease, self.options.max_attempts, self.options.result_ttl]
        named = [value for hold in holds for value in (hold.id, hold.token, hold.queue)]
        lost, expired = scripts.RENEW_AND_REAP(self.client, queues, known + named)
        _log_expired([raw.decode(errors="replace") for raw in expired])
        return {raw.decode() for raw in lost}

    def hand_back_backlog(self) -> None:
        """Hand back what was fetched but not started; safe while another thread delivers from the other end."""
        tags: deque[str] = deque()
        with suppress(IndexError):  # nothing is left
            while True:
                tags.appendleft(self.backlog.pop()[0])
        self.hand_back(tags)

    def close(self) -> None:
        """Write what has ended and hand back the rest: the process is about to stop."""
        if self.pid == os.getpid() and not self.stopping:
            self.stopping = True
            self.flush()
            self.hand_back_backlog()
            self.hand_back(list(self.held), "stop")
            if self.standby:
                self.standby.close()

    def renew_and_reap(self) -> None:
        """Renew all leases, and put back the jobs of consumers that died."""
        for tag in self._renew_or_hand_back("renew", list(self.held.values()), self.queues):
            if (hold := self.held.pop(tag, None)) and not hold.ended:
                logger.warning("lost the lease of job_id=%s: it is not this consumer's any more", hold.id)
        if self.standby:
            self.standby.renewed(list(self.held.values()))

    def _keep(self) -> None:
        due = 0.0
        while not self.stopping:
            try:
                if time.monotonic() >= due:
                    self.renew_and_reap()
                    due = time.monotonic() + self.options.lease / 3
                if self.backlog and time.monotonic() - self.delivered_at > PATIENCE:
                    self.impatient = True
                    self.hand_back_backlog()
                self._pause(due)
                self.flush()
            except Exception as exc:  # a thread that dies would take all leases along
                strange = not isinstance(exc, RedisError | OSError)
                logger.warning("cannot look after %d leases: %r", len(self.held), exc, exc_info=strange)
                time.sleep(min(0.5, self.options.lease / 10))

    def _pause(self, due: float) -> None:
        if not self.endings:
            rest = PATIENCE / 2 if self.backlog else max(0.0, due - time.monotonic())
            self._wake.wait(min(rest, self.options.lease / 3))
        self._wake.clear()
        if self.endings:
            time.sleep(WRITE_BEHIND)


def _log_expired(told: list[str]) -> None:
    """Log the leases that ran out: id, task, queue, consumer and new status of each job, as one flat list."""
    values = iter(told)
    for job_id, task, queue, consumer, status in zip(*[values] * 5, strict=True):
        outcome = "it waits again" if status == "PENDING" else "it ends as PoisonJob, after too many attempts"
        fields = f"job_id={job_id} task={task} queue={queue} consumer={consumer}"
        logger.warning("a lease ran out, its consumer died or could not renew it: %s; %s", fields, outcome)


LEDGER = LeaseKeeper()
