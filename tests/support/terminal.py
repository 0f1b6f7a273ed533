"""A terminal that runs `make up` or another target."""

import os
import pty
import select
import time
from contextlib import suppress

import psutil

from tests.support.stack import NativeStack


class Terminal:
    """A pseudo-terminal that runs a target of `make` for a stack; seen is what it shows."""

    def __init__(self, stack: NativeStack, *target: str) -> None:
        self.seen = ""
        self._run_dir = str(stack.run_dir)
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            # .venv is installed already, whatever its time says
            command = ["make", "--old-file=.venv/native", *(target or ("up",))]
            os.chdir(stack.folder)
            os.execvpe("make", command, stack.environment)

    def read(self, seconds: float, until: str = "\0") -> None:
        """Read for some seconds, or until a text is shown."""
        end = time.monotonic() + seconds
        while until not in self.seen and time.monotonic() < end:
            if select.select([self._terminal], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(self._terminal, 65536).decode(errors="replace")
                except OSError:  # all programs in it have ended
                    return

    def type(self, keys: str) -> None:
        """Type keys."""
        os.write(self._terminal, keys.encode())

    def close(self) -> None:
        """Close the window."""
        os.close(self._terminal)
        self._terminal = os.open(os.devnull, os.O_RDONLY)

    def wait(self) -> None:
        """Wait until `make` and all processes of the stack have ended."""
        end = time.monotonic() + 60
        while os.waitpid(self._pid, os.WNOHANG) == (0, 0):
            assert time.monotonic() < end, self.seen
            self.read(0.1)
        os.close(self._terminal)

    def left(self) -> list[str]:
        """Return the command lines of processes of the stack that outlive `make` by more than a moment."""
        end = time.monotonic() + 15
        while (found := self._processes()) and time.monotonic() < end:
            select.select([], [], [], 0.1)
        return found

    def _processes(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = " ".join([*process.cmdline(), process.environ().get("RUN_DIR", "")])
                if self._run_dir in words and alive(process) and process.pid != os.getpid():
                    found.append(words)
        return found


def alive(process: psutil.Process) -> bool:
    """Tell whether a process runs."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it has ended between the two calls
        return False
