"""Mark every line that a running job logs or prints with its id, so that one grep finds all of them."""

import logging
import sys
import threading
from contextvars import ContextVar
from typing import Any, TextIO

LONGEST = 65_536  # characters of a line; one that is longer is written in parts

# The jobs that run here, a job and what it runs eagerly inside; a context variable, as coroutines and threads mix
_jobs: ContextVar[tuple[str, ...]] = ContextVar("jobs", default=())


class _Process:
    """What this process knows of its jobs: alone is True where it runs one at a time, its own threads included."""

    alone = False
    job_id = ""


def run_one_at_a_time() -> None:
    """Note that whatever this process does belongs to the job that runs, also in threads that the job has started."""
    _Process.alone = True


def begin(job_id: str, *, inside: bool = False) -> None:
    """Mark what this thread logs and prints from now on; inside: within the job that runs already."""
    _jobs.set((*_jobs.get(), job_id) if inside else (job_id,))
    _Process.job_id = job_id if _Process.alone else ""


def end() -> None:
    """Mark nothing more, or the job around this one."""
    _jobs.set(_jobs.get()[:-1])
    _Process.job_id = current() if _Process.alone and _jobs.get() else ""


def finish_lines() -> None:
    """Write what the job has printed without the end of a line."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def current() -> str:
    """Return the id of the job that runs here, or nothing."""
    jobs = _jobs.get()
    return jobs[-1] if jobs else _Process.job_id


def _mark() -> str:
    job_id = current()
    return f"job_id={job_id} " if job_id else ""


class MarkingFormatter(logging.Formatter):
    """Formats a record with the mark of the job in each of its lines, once."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        mark = _mark()
        record.mark = "" if mark.strip() in record.getMessage().partition("\n")[0] else mark
        return super().format(record).replace("\n", f"\n{mark}")


class MarkedStream:
    """Stands in for sys.stdout or sys.stderr: what a job prints comes out in whole lines, each with its mark."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rests: dict[str, str] = {}  # what each job has printed of a line that has no end yet
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Write a text; the rest of a line stays here until it ends or is flushed."""
        mark = _mark()
        if not mark:  # nothing is locked then: a pool process that is forked meanwhile could not unlock it
            return self._stream.write(text)
        with self._lock:
            *lines, rest = (self._rests.pop(mark, "") + text).split("\n")
            if len(rest) > LONGEST:
                lines, rest = [*lines, rest], ""
            if rest:
                self._rests[mark] = rest
            if lines:
                self._stream.write("".join(f"{mark}{line}\n" for line in lines))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Write what this job has printed so far, as a line of its own."""
        if (mark := _mark()) and self._rests:
            with self._lock:
                if rest := self._rests.pop(mark, ""):
                    self._stream.write(f"{mark}{rest}\n")
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def mark_prints() -> None:
    """Mark what jobs print; call it after logging was set up, which marks its lines itself."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, MarkedStream):
            setattr(sys, name, MarkedStream(stream))
