"""The leases of a consumer's process: a thread renews them and writes, in batches, how their jobs ended."""

import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from redis import Redis
from redis.exceptions import RedisError

from . import scripts
from .errors import describe
from .lease_board import Lease, LeaseBoard
from .records import RECENT_LIMIT
from .standby import Standby

logger = logging.getLogger(__name__)

WRITE_BEHIND = 0.005  # seconds that an ended job waits for others that end, to share a round trip with them
PATIENCE = 0.05  # seconds that a fetched job may wait behind a running one
FLUSH_LIMIT = 500  # endings that are written in one step
FLUSH_BYTES = 1024 * 1024  # of endings, after which a step takes no more: Redis answers soon, this consumer and others

#: Why a job is handed back: it never ran here, its consumer is stopping, or its process was lost (a failed attempt).
Reason = Literal["return", "stop", "death"]
FetchedJob = tuple[str, dict[str, Any], str]  # delivery tag, kombu's message, queue


@dataclass(frozen=True)
class Options:
    """The transport options that the protocol knows."""

    lease: float = 15.0
    max_attempts: int = 3
    queue_limit: int = 0
    result_ttl: int = 86_400
    recent_limit: int = RECENT_LIMIT


class LeaseKeeper:
    """Holds the leases of one consumer; survives reconnects, but a forked child has none of its leases.

    The worker's thread (or threads) add and release leases; a thread of the keeper's own renews them, whatever the pool
    does, on a connection of its own.
    """

    def __init__(
        self,
        consumer: str,
        *,
        runs_jobs: bool = False,
        hard_limit: Callable[[dict[str, Any]], float] = lambda _: math.inf,
        board: LeaseBoard | None = None,
        others: Callable[[], list[Lease]] = list,
    ) -> None:
        """Note which consumer has the leases.

        runs_jobs: jobs run in this process, and may hold the interpreter's lock for longer than a lease.
        hard_limit: returns the hard time limit of a job in seconds, given the headers of its message.
        board: shows the leases to a process that renews them in this case; without one, a standby process is started.
        others: returns leases of other processes, which the reaping step renews first. Otherwise, after an outage, it
            could reap them before their own processes renew them: Redis also runs commands sent while it was frozen.
        """
        self.consumer, self.runs_jobs, self.hard_limit = consumer, runs_jobs, hard_limit
        self.leaving = False  # the worker was asked to stop: jobs handed back from now on are not failed attempts
        self._client: Redis | None = None
        self._options = Options()
        self._pid = 0
        self._queues: list[str] = []
        self._leases: dict[str, Lease] = {}  # by delivery tag
        self._backlog: deque[FetchedJob] = deque()  # fetched, but not delivered to the worker yet
        self._delivered_at = 0.0
        self._backlog_handed_back = False
        self._endings: deque[list[bytes]] = deque()  # arguments of finish.lua that are not written yet
        self._board, self._others, self._is_slot = board, others, board is not None
        self._closed = False
        self._lock = threading.Lock()
        self._wake = threading.Event()

    @property
    def is_open(self) -> bool:
        """Return whether this process renews leases."""
        return self._pid == os.getpid()

    @property
    def client(self) -> Redis:
        """Return a client of the Redis that has the leases."""
        assert self._client is not None
        return self._client

    @property
    def leases(self) -> list[Lease]:
        """Return the leases that this process holds."""
        return list(self._leases.values())

    def connect(self, client: Redis, options: Options) -> None:
        """Note where the leases are kept and how long they last."""
        self._client, self._options, self._pid = client, options, os.getpid()

    def open(self, client: Redis, options: Options) -> None:
        """Begin to renew leases, in a thread."""
        self.connect(client, options)
        if self.runs_jobs and self._board is None:
            known = options.lease, options.max_attempts, options.result_ttl
            self._board = Standby(client.connection_pool, self.consumer, *known)
        threading.Thread(target=self._run, name="leases", daemon=True).start()

    def reap_from(self, queues: list[str]) -> None:
        """Reap the expired leases of these queues from now on, including those of other consumers.

        A slot does not: after an outage it could reap the leases of the others before they have renewed them.
        """
        self._queues = [] if self._is_slot else queues

    # Leases

    def add(self, job_id: str, token: int, queue: str) -> Lease:
        """Add the lease of a job that was just fetched."""
        lease = Lease(job_id, token, queue)
        self._leases[lease.tag] = lease
        return lease

    def end(self, job_id: str, token: Any, status: str, fields: list[Any]) -> bool:
        """Write a status soon, together with others; return False if this process does not hold the job."""
        lease = self._leases.get(f"{token}:{job_id}") if self.is_open else None
        if lease is None:
            return False
        self._write([job_id, token, status, len(fields), *fields])
        lease.ended = lease.ended or status in ("SUCCESS", "FAILURE", "REVOKED")
        return True

    def release(self, tag: str, failure: Exception | None = None) -> None:
        """Drop the lease of an acknowledged job; one that has no final status yet gets *failure*, if that is given."""
        lease = self._leases.pop(tag, None)
        if lease and not lease.ended:
            fields = ["error", describe(failure)] if failure else []
            self._write([lease.job_id, lease.token, "FAILURE" if failure else "", len(fields), *fields])

    def forget(self, tag: str) -> None:
        """Drop a lease without writing anything, because another part ends the job."""
        self._leases.pop(tag, None)

    def hand_back(self, tags: Iterable[str], reason: Reason = "return") -> None:
        """Put jobs back at the head of their queues, so that the first one is fetched first."""
        leases = [lease for tag in tags if (lease := self._leases.pop(tag, None)) and not lease.ended]
        if leases:
            self._renew_or_hand_back(reason, reversed(leases), [])

    def hand_back_idle(self, running: set[str]) -> None:
        """Hand back all jobs but those with the given ids."""
        idle = [lease.tag for lease in self.leases if lease.job_id not in running]
        self.hand_back(idle, "stop" if self.leaving else "return")

    def show(self) -> None:
        """Show the leases to the process that renews them if this one cannot."""
        if self._board:
            self._board.show(self.leases)

    # Fetched jobs that wait for the worker

    @property
    def has_backlog(self) -> bool:
        """Return whether fetched jobs wait for the worker."""
        return bool(self._backlog)

    def line_up(self, jobs: list[FetchedJob]) -> None:
        """Let fetched jobs wait until the worker has room for them; those that wait too long are handed back."""
        self._delivered_at = time.monotonic()
        self._backlog.extend(jobs)
        self.show()
        if len(self._backlog) > 1:
            self._wake.set()

    def next_job(self) -> FetchedJob | None:
        """Return the fetched job to deliver next, if there is one; skip jobs that have lost their leases."""
        while self._backlog:
            self._delivered_at = time.monotonic()
            with suppress(IndexError):  # the keeper's thread has just handed it back
                job = self._backlog.popleft()
                if job[0] in self._leases:
                    return job
        return None

    def hand_back_backlog(self) -> None:
        """Hand back what was fetched but not delivered; safe while another thread delivers from the other end."""
        tags: deque[str] = deque()
        with suppress(IndexError):  # nothing is left
            while True:
                tags.appendleft(self._backlog.pop()[0])
        self.hand_back(tags)

    def backlog_was_handed_back(self) -> bool:
        """Return whether jobs have waited too long since the last call: then fewer should be fetched."""
        handed_back, self._backlog_handed_back = self._backlog_handed_back, False
        return handed_back

    # Writing and renewing

    def flush(self) -> None:
        """Write all endings; if that fails, they stay, in their order."""
        if self._client is None or not (self._endings or self._closed):  # on closing, wait for the thread's own flush
            return
        with self._lock:
            left = len(self._endings)
            while left > 0:
                left -= self._write_some()

    def _write_some(self) -> int:
        """Write the first endings in one step, and return how many."""
        batch, size = [self._endings.popleft()], 0
        while self._endings and len(batch) < FLUSH_LIMIT and (size := size + sum(map(len, batch[-1]))) < FLUSH_BYTES:
            batch.append(self._endings.popleft())
        try:
            refused = scripts.FINISH(self.client, [], [self._options.result_ttl, *chain(*batch)])
        except BaseException:
            self._endings.extendleft(reversed(batch))
            raise
        if refused:
            logger.warning("results refused: another attempt owns the job, or its record is gone: %s", refused)
        return len(batch)

    def renew_and_reap(self) -> None:
        """Renew all leases, and hand back the jobs of any consumer whose leases have expired."""
        leases = self.leases + self._others()
        for tag in self._renew_or_hand_back("renew", leases, self._queues):
            if (lease := self._leases.pop(tag, None)) and not lease.ended:
                logger.warning("lost the lease of job_id=%s: it has expired", lease.job_id)
        if self._board:
            self._board.renewed(self.leases)

    def close(self) -> None:
        """Write the last endings and hand back all jobs: the process is about to stop."""
        if self.is_open and not self._closed:
            self._closed = True
            self.flush()
            self.hand_back_backlog()
            self.hand_back(list(self._leases), "stop")
            if self._board:
                self._board.close()

    def _write(self, ending: list[Any]) -> None:
        # Encoded here: a value that Redis cannot store fails the job that reports it, and delays no other ending.
        self._endings.append(list(map(self.client.get_encoder().encode, ending)))
        self._wake.set()

    def _renew_or_hand_back(
        self, action: Reason | Literal["renew"], leases: Iterable[Lease], queues: list[str]
    ) -> set[str]:
        """Run renew_and_reap.lua; return the tags of the leases that were lost before."""
        assert self._client is not None
        options = [action, self._options.lease, self._options.max_attempts, self._options.result_ttl]
        held = [value for lease in leases for value in (lease.job_id, lease.token, lease.queue)]
        lost, expired = scripts.RENEW_AND_REAP(self._client, queues, options + held)
        _log_expired([raw.decode(errors="replace") for raw in expired])
        return {raw.decode() for raw in lost}

    def _run(self) -> None:
        due = 0.0
        while not self._closed:
            try:
                if time.monotonic() >= due:
                    with suppress(RedisError, OSError):  # after an outage: what has ended must not be reaped
                        self.flush()
                    self.renew_and_reap()
                    due = time.monotonic() + self._options.lease / 3
                if self._backlog and time.monotonic() - self._delivered_at > PATIENCE:
                    self._backlog_handed_back = True
                    self.hand_back_backlog()
                self._pause(due)
                self.flush()
            except Exception as exc:  # if this thread died, every lease would expire
                unexpected = not isinstance(exc, RedisError | OSError)
                logger.warning("cannot renew %d leases: %r", len(self._leases), exc, exc_info=unexpected)
                time.sleep(min(0.5, self._options.lease / 10))

    def _pause(self, due: float) -> None:
        """Wait until something has to be done: renew at *due*, write endings, or hand back a backlog."""
        if not self._endings:
            pause = PATIENCE / 2 if self._backlog else max(0.0, due - time.monotonic())
            self._wake.wait(min(pause, self._options.lease / 3))
        self._wake.clear()
        if self._endings:
            time.sleep(WRITE_BEHIND)


def _log_expired(expired: list[str]) -> None:
    """Log the leases that expired: id, task, queue, consumer and new status of each job, as one flat list."""
    values = iter(expired)
    for job_id, task, queue, consumer, status in zip(*[values] * 5, strict=True):
        outcome = "it is back in its queue" if status == "PENDING" else "it failed as PoisonJob after too many attempts"
        fields = f"job_id={job_id} task={task} queue={queue} consumer={consumer}"
        logger.warning("a lease expired because its consumer crashed or could not renew it: %s; %s", fields, outcome)
