"""Keep one process running, as `restart: on-failure` does for a container."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from project.native.output import Lines, Output
from project.native.part import Part

TIED = [sys.executable, "-S", str(Path(__file__).with_name("tied.py"))]
EXITS, WITHIN = 5, 60  # a process that exits this many times within these seconds is not restarted
LAST_LINES = 10


class Keeper:
    """Run a part in its own process group, and restart it when it exits."""

    def __init__(self, part: Part, output: Output, gave_up: Callable[[str, str, str], None]) -> None:
        self.part, self._output, self._gave_up = part, output, gave_up
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = asyncio.Event()
        self._stopping = asyncio.Event()
        self._exits: deque[float] = deque(maxlen=EXITS)
        self._last_lines: deque[bytes] = deque(maxlen=LAST_LINES)

    async def run(self) -> None:
        """Keep the process running until stop(), or until it has exited too often."""
        while not self._stopping.is_set():
            code = await self._run_once()
            if self._stopping.is_set():
                return
            pause = self._pause(code)
            if pause is None:
                last_lines = b"\n".join(self._last_lines).decode(errors="replace")
                self._gave_up(self.part.name, f"{_describe(code)}, the {EXITS}th time within {WITHIN} s", last_lines)
                return
            self._tell(f"{_describe(code)}, restarting in {pause} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    def stop(self) -> None:
        """Send SIGTERM to the process only: Celery's main process stops its children itself."""
        self._stopping.set()
        self._signal(os.kill, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process and its whole process group."""
        self._stopping.set()
        self._signal(os.killpg, signal.SIGKILL)

    def reap(self) -> None:
        """Reap the process if it has ended, and kill its group: a consumer killed with -9 leaves its pool behind."""
        running = self._process
        if running and os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            self._signal(os.killpg, signal.SIGKILL)  # before wait(), which frees the group's id for reuse
            running.wait()
            self._process = None
            self._ended.set()

    async def _run_once(self) -> int:
        """Start the process, forward its output, and return its exit code."""
        self._ended.clear()
        with ExitStack() as open_ends, ExitStack() as open_pipes:
            alive, alive_end = os.pipe()
            open_ends.callback(os.close, alive)
            open_pipes.callback(os.close, alive_end)
            stderr = self._pipe(self._line, open_ends, open_pipes)
            stdout = self._pipe(self._file_line, open_ends, open_pipes) if self.part.stdout else stderr
            process = self._process = subprocess.Popen(
                [*TIED, str(alive), *self.part.command],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=self.part.folder,
                env=self._environment(),
                pass_fds=[alive],
                start_new_session=True,
            )
            open_ends.close()
            await self._ended.wait()
        return process.returncode

    def _pipe(self, pass_on: Callable[[bytes], None], open_ends: ExitStack, open_pipes: ExitStack) -> int:
        """Return the end of a new pipe for the process; pass on its lines until *open_pipes* is closed."""
        pipe, end = os.pipe()
        open_ends.callback(os.close, end)
        lines, loop = Lines(pipe, pass_on), asyncio.get_running_loop()
        loop.add_reader(pipe, lambda: lines.read() or loop.remove_reader(pipe))
        for last in (partial(os.close, pipe), lines.read, partial(loop.remove_reader, pipe)):  # in reverse order
            open_pipes.callback(last)
        return end

    def _environment(self) -> dict[str, str]:
        shared = {name: value for name, value in os.environ.items() if name not in self.part.hidden}
        return shared | self.part.environment

    def _pause(self, code: int) -> int | None:
        """Return the seconds until the next start, or None if the process has exited too often.

        kill -9 does not count: it comes from outside, so the process is not at fault.
        """
        if code == -signal.SIGKILL:
            return 1
        now = asyncio.get_running_loop().time()
        self._exits.append(now)
        recent = sum(now - exit_time < WITHIN for exit_time in self._exits)
        return None if recent == EXITS else int(2 ** max(0, recent - 2))

    def _signal(self, send: Callable[[int, int], None], number: int) -> None:
        # not Popen.send_signal(): it would reap the process before reap() can kill its group
        if self._process:
            send(self._process.pid, number)

    def _line(self, line: bytes) -> None:
        self._last_lines.append(line)
        self._output.line(self.part.name, line)

    def _file_line(self, line: bytes) -> None:
        self._output.line_in_file(self.part.stdout, self.part.name, line)

    def _tell(self, text: str) -> None:
        """Print what happens to the process, after its last lines if they were not printed."""
        for line in self._last_lines if self._output.quiet else ():
            self._output.line(self.part.name, line, always=True)
        self._output.line(self.part.name, text.encode(), always=True)


def _describe(code: int) -> str:
    """Describe how a process has ended."""
    return f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
