"""Tasks that are declared with `isolated`: the body runs in a process of its own, with limits that hold.

For code that crashes, leaks memory or hangs: it fails its own job, with an error that says how it ended, and neither
the consumer nor the jobs beside it. On every pool; a prefork child may start it too, being a plain subprocess.
"""

import functools
import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

from billiard.exceptions import TimeLimitExceeded

from project import job_output
from project.task_options.progress import report_progress


@dataclass(frozen=True)
class Isolation:
    """What an isolated body may use: memory_mb MiB of address space, and seconds from start to end."""

    memory_mb: int = 512
    seconds: float = 60

    def __post_init__(self) -> None:
        """Refuse limits that no process can start under."""
        if self.memory_mb < 32 or self.seconds <= 0:
            raise TypeError(f"an isolated task needs 32 MiB or more and some time, not {self}")


class JobCrashed(Exception):
    """The process of an isolated task ended without a result: killed by a signal, or by an exit of its own."""


class IsolatedError(Exception):
    """An error of an isolated body whose class this process does not know; its subclasses have that class's name."""

    def __reduce__(self) -> Any:
        """Pickle as what rebuild() is called with, since a class made at run time cannot be found by its name."""
        return rebuild, (type(self).__module__, type(self).__name__, self.args)


def isolate(function: Callable[..., Any], limits: Isolation) -> Callable[..., Any]:
    """Return a function that runs the given one, found by its module and name, in a process of its own."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        log = {"job_id": job_output.current(), "log_level": logging.getLogger().getEffectiveLevel()}
        order = {"limits": asdict(limits), "args": args, "kwargs": kwargs, **log}
        deadline = time.monotonic() + limits.seconds
        with _child(function, order) as (process, pipe):
            for message in _messages(pipe, deadline, limits):
                if "progress" in message:
                    report_progress(**message["progress"])
                elif "error" in message:
                    raise _error(**message["error"])
                else:
                    return message["result"]
            raise JobCrashed(_cause(process.wait()))

    return run


@contextmanager
def _child(function: Callable[..., Any], order: dict[str, Any]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start the process and tell it what to do; whatever happens then, it and what it started are gone in the end."""
    ours, its = os.pipe()
    command = [sys.executable, "-m", "project.task_options.isolated_child", str(its)]
    command += [function.__module__, function.__name__]
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[its], start_new_session=True)
        os.close(its)
        stdin: Any = process.stdin
        try:
            with suppress(BrokenPipeError):
                stdin.write(json.dumps(order).encode() + b"\n")
                stdin.flush()
            yield process, ours
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            stdin.close()
    finally:
        os.close(ours)


def _messages(pipe: int, deadline: float, limits: Isolation) -> Iterator[dict[str, Any]]:
    """Yield what the process says, until it has nothing more to say; raise TimeLimitExceeded when its time is over."""
    poll, rest = select.poll(), b""
    poll.register(pipe, select.POLLIN)
    while True:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeLimitExceeded(f"not done after {limits.seconds} s")
        if not (chunk := os.read(pipe, 2**16)):
            return
        *lines, rest = (rest + chunk).split(b"\n")
        yield from map(json.loads, lines)


def _error(module: str, name: str, args: list[Any], traceback: str) -> Exception:
    error = rebuild(module, name, tuple(args))
    error.add_note(f"In the isolated process:\n{traceback}")
    return error


def rebuild(module: str, name: str, args: tuple[Any, ...]) -> Exception:
    """Return an exception of the given class, or one of the same name where the class is not to be had here."""
    known = getattr(sys.modules.get(module), name, None)
    # a real MemoryError would mean to Celery that the consumer itself is short of memory, and end it
    if isinstance(known, type) and issubclass(known, Exception) and known is not MemoryError:
        with suppress(Exception):
            return known(*args)
    error: Exception = type(name, (IsolatedError,), {"__module__": module})(*args)
    return error


def _cause(code: int) -> str:
    names = {number.value: number.name for number in signal.Signals}
    return f"killed by {names.get(-code, -code)}" if code < 0 else f"ended with exit code {code} and without a result"
