"""Measure how long something takes, without the time for which a busy machine gave its processes no processor."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def takes_less_than(seconds: float, *pids: int) -> Iterator[None]:
    """Fail if a block takes longer; the time that this or another process spent waiting for a processor is not counted."""
    begun = time.monotonic() - _starved(*pids)
    yield
    took = time.monotonic() - _starved(*pids) - begun
    assert took < seconds, f"it took {took:.2f} s"


def _starved(*pids: int) -> float:
    """Return for how many seconds the threads of processes were ready to run but did not (proc_pid_schedstat(5))."""
    threads = [thread for pid in (os.getpid(), *pids) for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((thread / "schedstat").read_text().split()[1]) for thread in threads) / 1e9
