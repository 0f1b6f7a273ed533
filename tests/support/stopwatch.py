"""Measure how long something takes, without the time for which a busy machine gave its processes no processor."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def takes_less_than(seconds: float, *pids: int) -> Iterator[None]:
    """Fail if a block takes longer; the time that this or another process waited for a processor is not counted."""
    before, begun = _waits(*pids), time.monotonic()
    yield
    took = time.monotonic() - begun
    starved = sum(waited - before.get(thread, 0) for thread, waited in _waits(*pids).items())
    assert took - starved < seconds, f"it took {took:.2f} s, {starved:.2f} s of them without a processor"


def _waits(*pids: int) -> dict[str, float]:
    """Return for how many seconds each thread was ready to run but did not (proc_pid_schedstat(5))."""
    found = {}
    for pid in (os.getpid(), *pids):
        with suppress(FileNotFoundError, ProcessLookupError):  # it may have ended
            for thread in Path(f"/proc/{pid}/task").iterdir():
                found[thread.name] = int((thread / "schedstat").read_text().split()[1]) / 1e9
    return found
