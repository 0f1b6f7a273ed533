"""Mark every line that a running job logs or prints with its id, so that one grep finds them all."""

import logging
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, TextIO

LONGEST = 65_536  # characters of a line; a longer one is written in parts

# The running job and the jobs that it runs eagerly; a context variable, because of coroutines and threads
_jobs: ContextVar[tuple[str, ...]] = ContextVar("jobs", default=())
_running: set[str] = set()  # a thread may outlive the job that started it, and work for another one


class _Process:
    """The job of this process; alone is True if the process runs one job at a time."""

    alone = False
    job_id = ""


def run_one_at_a_time() -> None:
    """Attribute all output of this process to the running job, including that of threads that the job has started."""
    _Process.alone = True


def begin(job_id: str, *, inside: bool = False) -> None:
    """Mark the output of this thread from now on; *inside* means within the job that already runs."""
    if not inside:
        _running.difference_update(_jobs.get())
    _running.add(job_id)
    _jobs.set((*_jobs.get(), job_id) if inside else (job_id,))
    _Process.job_id = job_id if _Process.alone else ""


def end() -> None:
    """Stop marking, or go back to the job around this one."""
    _running.difference_update(_jobs.get()[-1:])
    _jobs.set(_jobs.get()[:-1])
    _Process.job_id = current() if _Process.alone and _jobs.get() else ""


def finish_lines() -> None:
    """Write the unfinished line that the job has printed."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def current() -> str:
    """Return the id of the job that runs here, or ""."""
    jobs = _jobs.get()
    return jobs[-1] if jobs and jobs[-1] in _running else _Process.job_id


def _mark() -> str:
    job_id = current()
    return f"job_id={job_id} " if job_id else ""


class MarkingFormatter(logging.Formatter):
    """Format a record with the mark of the job once in each line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        mark = _mark()
        record.mark = "" if mark.strip() in record.getMessage().partition("\n")[0] else mark
        return super().format(record).replace("\n", f"\n{mark}")


class MarkedStream:
    """Replace sys.stdout or sys.stderr: write the output of jobs in whole lines, each with its mark."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rests: dict[str, str] = {}  # the unfinished line of each job
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Write a text; keep an unfinished line until it ends or is flushed."""
        mark = _mark()
        if not mark:  # without the lock: a pool process forked while it is held could never release it
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
        """Write the unfinished line of this job as a line of its own."""
        if (mark := _mark()) and self._rests:
            with self._lock:
                if rest := self._rests.pop(mark, ""):
                    self._stream.write(f"{mark}{rest}\n")
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def mark_threads() -> None:
    """Mark the output of a thread with the job that starts it, as Python 3.14 can do (thread_inherit_context)."""
    start = threading.Thread.start

    def start_in_job(thread: threading.Thread) -> None:
        if (jobs := _jobs.get()) and not _Process.alone:
            thread.run = partial(_run_in_job, jobs, thread.run)  # type: ignore[method-assign]
        start(thread)

    threading.Thread.start = start_in_job  # type: ignore[assignment, method-assign]


def _run_in_job(jobs: tuple[str, ...], run: Callable[[], None]) -> None:
    _jobs.set(jobs)
    run()


def mark_prints() -> None:
    """Mark the output of jobs; call it after logging was set up, because log lines are marked separately."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, MarkedStream):
            setattr(sys, name, MarkedStream(stream))
