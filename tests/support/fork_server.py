"""Python programs that are forked from a process with all libraries imported, which halves what a start costs.

What is forked runs as `python -m` would run it: in a process of its own, with its own environment, log and modules of the
project.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import sys
import warnings
from pathlib import Path
from subprocess import TimeoutExpired

from tests.support.wait import wait_until

_ROOT = Path(__file__).parents[2]
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["__main__", "tests.support.preloaded"])


class ForkedProgram:
    """A child process with the methods of subprocess.Popen that tests use."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path, new_session: bool = False) -> None:
        """Run a module with its arguments in the project; output is appended to *log*."""
        log.touch()
        arguments = (command, environment, str(log), new_session)
        self._process = _SERVER.Process(target=_run, args=arguments, daemon=True)
        self._process.start()
        self.pid = int(self._process.pid or 0)
        if new_session:
            wait_until(lambda: self.poll() is not None or os.getsid(self.pid) == self.pid, what="it has its session")

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code; minus the signal's number if a signal has ended it."""
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it without warning."""
        self.send_signal(signal.SIGKILL)


def _run(command: list[str], environment: dict[str, str], log: str, new_session: bool) -> None:
    if new_session:
        os.setsid()
    os.chdir(_ROOT)
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    warnings.simplefilter("ignore")
    sys.argv = command
    sys.path[:0] = [str(_ROOT), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        del sys.modules[name]  # imported by the main module of a benchmark, with another environment
    try:
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # multiprocessing would leave them out
