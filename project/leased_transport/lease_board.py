"""A lease, and how a process shows its leases to another one, in shared memory."""

import math
import mmap
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .standby_process import HALF, HEAD, SEQUENCE, LeaseFields, half, read

SIZE = SEQUENCE.size + 2 * HALF


@dataclass
class Lease:
    """A consumer's claim on one attempt of a job; the token tells this attempt from all others."""

    job_id: str
    token: int
    queue: str
    time_limit: float = math.inf  # hard time limit of the job, in seconds
    ended: bool = False  # its final status is written, or about to be

    @property
    def tag(self) -> str:
        """Return kombu's delivery tag of the job."""
        return f"{self.token}:{self.job_id}"


class LeaseBoard:
    """The leases of one process, and when it renewed them; standby_process.py describes the format."""

    def __init__(self, memory: mmap.mmap) -> None:
        """Use the first SIZE bytes of shared memory."""
        self._memory, self._lock = memory, threading.Lock()
        self._renewed = time.monotonic()

    def renewed(self, leases: Iterable[Any]) -> None:
        """Note that this process has just renewed its leases."""
        self._renewed = time.monotonic()
        self.show(leases)

    def show(self, leases: Iterable[Any]) -> None:
        """Write the leases, as many as there is room for."""
        shown = (each for each in leases if each.job_id.isprintable())  # others could have line breaks
        text = "\n".join(f"{each.job_id}\0{each.token}\0{each.queue}\0{each.time_limit}" for each in shown).encode()
        if len(text) > HALF - HEAD.size:
            text = text[: text.rindex(b"\n", 0, HALF - HEAD.size)]
        with self._lock:
            (sequence,) = SEQUENCE.unpack_from(self._memory)
            begin = half(sequence + 1)
            HEAD.pack_into(self._memory, begin, self._renewed, len(text))
            self._memory[begin + HEAD.size : begin + HEAD.size + len(text)] = text
            SEQUENCE.pack_into(self._memory, 0, sequence + 1)

    def read(self) -> tuple[float, list[LeaseFields]]:
        """Return when the leases were renewed, and the leases; any process may call this."""
        return read(self._memory)

    def close(self) -> None:
        """Do nothing: the memory belongs to another process too."""
