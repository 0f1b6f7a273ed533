"""Run the client's command line as a shell does, on a pipe or on a terminal."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.support.wait import wait_until

COMMAND = (sys.executable, "-m", "project.client")
Run = Callable[..., "Ended"]


@dataclass(frozen=True)
class Ended:
    """The exit code and the output of a command that has ended."""

    code: int
    out: str
    error: str


class Running:
    """A running command and its output so far, including standard error on a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], output: int) -> None:
        self.process = process
        self.seen = ""
        self._output = output
        os.set_blocking(output, False)

    def shows(self, text: str, timeout: float = 30) -> None:
        """Wait until it has printed a text."""
        wait_until(lambda: text in self.read(), timeout, f"{text!r} is shown")

    def ended(self, number: int | None = None) -> int:
        """Wait until it has ended, after a signal if one is given, and return its exit code."""
        if number is not None:
            self.process.send_signal(number)
        wait_until(self._has_ended, what="it has ended")
        self.read()
        return int(self.process.returncode)

    def _has_ended(self) -> bool:
        self.read()  # an unread terminal fills up and blocks its program
        return self.process.poll() is not None

    def close(self) -> None:
        """Stop reading, as `head` does."""
        os.close(self._output)
        self._output = os.open(os.devnull, os.O_RDONLY)

    def read(self) -> str:
        """Return what it has printed so far."""
        with suppress(BlockingIOError, OSError):  # OSError: the other end of a terminal is closed
            while chunk := os.read(self._output, 65536):
                self.seen += chunk.decode()
        return self.seen


def run(url: str, *words: str) -> Ended:
    """Run a command to its end."""
    environment = {**os.environ, "GLASSQUEUE_URL": url}
    done = subprocess.run([*COMMAND, *words], env=environment, capture_output=True, text=True, timeout=60, check=False)
    return Ended(done.returncode, done.stdout, done.stderr)


@contextmanager
def running(url: str, *words: str, terminal: bool = False) -> Iterator[Running]:
    """Run a command beside the test, and kill it if it still runs afterwards."""
    output, its_end = pty.openpty() if terminal else os.pipe()
    error = its_end if terminal else subprocess.PIPE
    environment = {**os.environ, "GLASSQUEUE_URL": url}
    # tests that a shell runs in the background ignore Ctrl-C, and what they start would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen([*COMMAND, *words], env=environment, stdout=its_end, stderr=error) as process:
        os.close(its_end)
        command = Running(process, output)
        try:
            yield command
        finally:
            process.send_signal(signal.SIGKILL)
            command.close()
