"""One process of a part: in its own process group, tied to the launcher, its output passed on line by line."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from project.native.output import Lines
from project.native.part import Part
from project.native.race import race

TIED = [sys.executable, "-S", str(Path(__file__).with_name("tied.py"))]
WARM = [sys.executable, str(Path(__file__).with_name("warm.py"))]
PassOn = Callable[[bytes], None]


class Child:
    """A started process; with *preload*, one that imports the modules in this file and waits for release().

    listener: the socket from which a server accepts connections, which becomes its option --fd.
    ended, warm: set when it has ended, and when it has imported the modules.
    """

    def __init__(
        self, part: Part, on_line: PassOn, on_file_line: PassOn, preload: str = "", *, listener: int = -1
    ) -> None:
        self.ended, self.warm = asyncio.Event(), asyncio.Event()
        self.part = part
        self._pipes, ends = ExitStack(), ExitStack()
        with ends, self._pipes:  # closed here only if the process cannot be started
            alive, self._alive = os.pipe()
            ends.callback(os.close, alive)
            self._pipes.callback(os.close, self._alive)
            go = self._go_socket(ends) if preload else -1
            stderr = self._pipe(on_line, ends)
            stdout = self._pipe(on_file_line, ends) if part.stdout else stderr
            command = [*part.command, "--fd", str(listener)] if listener >= 0 else part.command
            command = [*WARM, str(go), preload, *command[1:]] if preload else command
            self.process = subprocess.Popen(
                [*TIED, str(alive), *command],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=part.folder,
                env=self._environment(),
                pass_fds=[file for file in (alive, go, listener) if file >= 0],
                start_new_session=True,
            )
            self._pipes = self._pipes.pop_all()

    def release(self) -> None:
        """Let a process that waits run its command."""
        with suppress(BrokenPipeError):  # it has just ended
            self._go.send(b"!")

    def signal(self, send: Callable[[int, int], None], number: int) -> None:
        """Send a signal with os.kill or os.killpg, unless the process has been reaped."""
        # not Popen.send_signal(): it would reap the process before reap() can kill its group
        if not self.ended.is_set():
            send(self.process.pid, number)

    def reap(self) -> None:
        """Reap the process if it has ended, and kill its group: a consumer killed with -9 leaves its pool behind."""
        if self.ended.is_set() or not os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        self.signal(os.killpg, signal.SIGKILL)  # before wait(), which frees the group's id for reuse
        self.process.wait()
        self.ended.set()

    async def until_warm(self) -> None:
        """Wait until the process has imported the modules, or has ended."""
        await race(self.warm.wait(), self.ended.wait())

    async def wait(self) -> int:
        """Wait for the end of the process, pass on the last lines, and return the exit code."""
        await self.ended.wait()
        self._pipes.close()
        return self.process.returncode

    def _go_socket(self, ends: ExitStack) -> int:
        """Return the end of a new socket on which the process says that it is warm, and waits for release()."""
        self._go, end = socket.socketpair()
        ends.callback(end.close)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._go, self._is_warm)
        for last in (self._go.close, partial(loop.remove_reader, self._go)):  # in reverse order
            self._pipes.callback(last)
        return end.fileno()

    def _is_warm(self) -> None:
        asyncio.get_running_loop().remove_reader(self._go)
        self.warm.set()

    def _pipe(self, pass_on: PassOn, ends: ExitStack) -> int:
        """Return the end of a new pipe for the process, and pass on its lines."""
        pipe, end = os.pipe()
        ends.callback(os.close, end)
        lines, loop = Lines(pipe, pass_on), asyncio.get_running_loop()
        loop.add_reader(pipe, lambda: lines.read() or loop.remove_reader(pipe))
        for last in (partial(os.close, pipe), lines.read, partial(loop.remove_reader, pipe)):  # in reverse order
            self._pipes.callback(last)
        return end

    def _environment(self) -> dict[str, str]:
        shared = {name: value for name, value in os.environ.items() if name not in self.part.hidden}
        return shared | self.part.environment
