"""The shared memory of a slot: the job that it runs and its leases, readable by the other processes of a consumer."""

import math
import mmap
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import lease_board
from .lease_board import LeaseBoard

#: A sequence number, odd while the rest is written; when the job began; its deadlines and limits; the text's length.
JOB = struct.Struct("=QdddddH")
ORDER = struct.Struct("=H")
COUNTS = struct.Struct("=QQ")  # the process, and the jobs that the slot has run
ROOM = 4096
JOB_AT = lease_board.SIZE
ORDER_AT = JOB_AT + ROOM
COUNTS_AT = ORDER_AT + ROOM
SIZE = COUNTS_AT + COUNTS.size
QUEUES_ROOM = 2**16  # as many bytes as ORDER can count


class QueueBoard:
    """The queues that a consumer serves since remote control commands have changed them.

    The front process writes them; processes that are started later read them.
    """

    def __init__(self) -> None:
        """Share memory with the processes that this one will fork."""
        self._memory = mmap.mmap(-1, QUEUES_ROOM)

    def write(self, names: Iterable[str]) -> None:
        """Show the names; if there are too many, new processes serve the queues that the consumer began with."""
        text = "\0".join(names).encode()
        ORDER.pack_into(self._memory, 0, 0)
        if len(text) <= QUEUES_ROOM - ORDER.size:
            self._memory[ORDER.size : ORDER.size + len(text)] = text
            ORDER.pack_into(self._memory, 0, len(text))

    def read(self) -> list[str]:
        """Return the names; none if no command has changed them."""
        (length,) = ORDER.unpack_from(self._memory, 0)
        return self._memory[ORDER.size : ORDER.size + length].decode().split("\0") if length else []


@dataclass(frozen=True)
class RunningJob:
    """A job that a slot runs: its delivery tag, and its limits as moments of the monotonic clock and in seconds."""

    tag: str
    task: str
    began: float  # Unix time
    soft_deadline: float
    hard_deadline: float
    soft_limit: float
    hard_limit: float


class SlotBoard:
    """What the processes of a consumer know of one slot. Each part has one writer.

    leases, job, number of jobs: the slot's process. Process: the supervisor. Order: the front process.
    """

    def __init__(self) -> None:
        """Share memory with the processes that this one will fork."""
        self._memory = mmap.mmap(-1, SIZE)
        self.leases = LeaseBoard(self._memory)

    # The slot's process

    def begin(self, tag: str, task: str, soft: float, hard: float) -> None:
        """Show that a job begins; its limits are seconds."""
        now = time.monotonic()
        self._write_job(time.time(), now + soft, now + hard, soft, hard, f"{tag}\0{task}".encode()[: ROOM - JOB.size])

    def end(self) -> None:
        """Show that no job runs."""
        self._write_job(0, math.inf, math.inf, math.inf, math.inf, b"")

    def _write_job(self, *fields: Any) -> None:
        *numbers, text = fields
        (sequence,) = struct.unpack_from("=Q", self._memory, JOB_AT)
        sequence += 1 - sequence % 2
        struct.pack_into("=Q", self._memory, JOB_AT, sequence)
        self._memory[JOB_AT + JOB.size : JOB_AT + JOB.size + len(text)] = text
        JOB.pack_into(self._memory, JOB_AT, sequence, *numbers, len(text))
        struct.pack_into("=Q", self._memory, JOB_AT, sequence + 1)

    def count(self) -> None:
        """Count a job."""
        pid, jobs = COUNTS.unpack_from(self._memory, COUNTS_AT)
        COUNTS.pack_into(self._memory, COUNTS_AT, pid, jobs + 1)

    # Any process

    def job(self) -> RunningJob | None:
        """Return the running job; return None without one, or if the process was killed as the job began or ended."""
        for _ in range(1000):
            sequence, began, *limits, length = JOB.unpack_from(self._memory, JOB_AT)
            text = self._memory[JOB_AT + JOB.size : JOB_AT + JOB.size + length]
            if sequence % 2 == 0 and struct.unpack_from("=Q", self._memory, JOB_AT) == (sequence,):
                tag, _, task = text.decode(errors="replace").partition("\0")
                return RunningJob(tag, task, began, *limits) if tag else None
        return None

    @property
    def pid(self) -> int:
        """Return the id of the slot's process."""
        return int(COUNTS.unpack_from(self._memory, COUNTS_AT)[0])

    @property
    def jobs(self) -> int:
        """Return how many jobs have run in this slot."""
        return int(COUNTS.unpack_from(self._memory, COUNTS_AT)[1])

    def restart(self, pid: int) -> None:
        """Note that a new process has this slot."""
        COUNTS.pack_into(self._memory, COUNTS_AT, pid, self.jobs)

    def clear(self) -> None:
        """Forget the job, the leases and the order of a process that has ended."""
        self.end()
        self.leases.renewed([])
        self.order("", "")

    def order(self, cause: str, tag: str) -> None:
        """Ask the supervisor to kill the process, if it still runs this job."""
        text = f"{cause}\0{tag}".encode()
        ORDER.pack_into(self._memory, ORDER_AT, 0)
        self._memory[ORDER_AT + ORDER.size : ORDER_AT + ORDER.size + len(text)] = text
        ORDER.pack_into(self._memory, ORDER_AT, len(text))

    def ordered(self) -> tuple[str, str]:
        """Return why to kill the process, and during which job."""
        (length,) = ORDER.unpack_from(self._memory, ORDER_AT)
        text = self._memory[ORDER_AT + ORDER.size : ORDER_AT + ORDER.size + length]
        cause, _, tag = text.decode(errors="replace").partition("\0")
        return cause, tag
