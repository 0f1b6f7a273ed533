"""Run the body of a task that is declared with `isolated` in a process of its own, with limits for memory and time.

This is for code that crashes, leaks memory or hangs. It fails its own job, with an error that says how the process
ended, but harms neither the consumer nor other jobs. It works on every pool, because it is a plain subprocess.
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
    """Limits of an isolated body: memory_mb MiB of address space, and seconds from start to end."""

    memory_mb: int = 512
    seconds: float = 60

    def __post_init__(self) -> None:
        """Reject limits under which no process can start."""
        if self.memory_mb < 32 or self.seconds <= 0:
            raise TypeError(f"an isolated task needs memory_mb of at least 32 and seconds above 0, not {self}")


class JobCrashed(Exception):
    """The process of an isolated task ended without a result: a signal killed it, or it called exit."""


class IsolatedError(Exception):
    """An error of an isolated body with a class that this process does not know; subclasses have that class's name."""

    def __reduce__(self) -> Any:
        """Pickle as a call of rebuild(), because pickle cannot find a class made at run time by its name."""
        return rebuild, (type(self).__module__, type(self).__name__, self.args)


def isolate(function: Callable[..., Any], limits: Isolation) -> Callable[..., Any]:
    """Return a function that runs the given one in a process of its own, which finds it by module and name."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        """Start the process, pass on its progress, and return its result or raise its error."""
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
    """Start the process and send it its order; kill it and its children when the block is left."""
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
    """Yield the messages of the process until it closes the pipe; raise TimeLimitExceeded when its time is over."""
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
    """Return an exception of the given class, or of a class with its name if it is not imported here."""
    known = getattr(sys.modules.get(module), name, None)
    # Celery would take a real MemoryError as the consumer's own, and end the consumer
    if isinstance(known, type) and issubclass(known, Exception) and known is not MemoryError:
        with suppress(Exception):
            return known(*args)
    error: Exception = type(name, (IsolatedError,), {"__module__": module})(*args)
    return error


def _cause(code: int) -> str:
    names = {number.value: number.name for number in signal.Signals}
    return f"killed by {names.get(-code, -code)}" if code < 0 else f"ended with exit code {code} and without a result"
