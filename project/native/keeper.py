"""Keep one process running, as `restart: on-failure` does for a container."""

import asyncio
import os
import signal
import socket
from collections import deque
from collections.abc import Callable

from project.native.child import Child
from project.native.output import Output
from project.native.part import Part
from project.native.race import race

EXITS, WITHIN = 5, 60  # a process that exits this many times within these seconds is not restarted
LAST_LINES = 10
BACKLOG = 2048  # connections that wait for a server, as with uvicorn


class Keeper:
    """Run a part, and restart it when it exits."""

    def __init__(self, part: Part, output: Output, gave_up: Callable[[str, str, str], None]) -> None:
        self.part, self._output, self._gave_up = part, output, gave_up
        self._first_part = part
        self._child: Child | None = None
        self._spare: Child | None = None
        self._listener: socket.socket | None = None
        self._old: dict[Child, asyncio.Task[int]] = {}  # replaced, and finishing their jobs or requests
        self._generation = 0
        self._stopping, self._replaced = asyncio.Event(), asyncio.Event()
        self._exits: deque[float] = deque(maxlen=EXITS)
        self._last_lines: deque[bytes] = deque(maxlen=LAST_LINES)

    async def run(self) -> None:
        """Keep the process running until stop(), or until it has exited too often."""
        while not self._stopping.is_set():
            code = await self._run_once()
            if code is None:
                continue
            pause = self._pause(code)
            if pause is None:
                last_lines = b"\n".join(self._last_lines).decode(errors="replace")
                self._close()
                self._gave_up(self.part.name, f"{_describe(code)}, the {EXITS}th time within {WITHIN} s", last_lines)
                return
            self._tell(f"{_describe(code)}, restarting in {pause} s")
            await race(self._stopping.wait(), self._replaced.wait(), asyncio.sleep(pause))
        await asyncio.gather(*self._old.values())
        if self._spare:  # stop() has killed it
            await self._spare.ended.wait()

    def stop(self) -> None:
        """Send SIGTERM to the process only: Celery's main process stops its children itself."""
        self._stopping.set()
        self._signal(os.kill, signal.SIGTERM)
        if self._spare:
            self._spare.signal(os.killpg, signal.SIGKILL)

    def kill(self) -> None:
        """Kill the process and its whole process group."""
        self._stopping.set()
        for child in self._children():
            child.signal(os.killpg, signal.SIGKILL)

    def reap(self) -> None:
        """Reap the processes that have ended."""
        for child in self._children():
            child.reap()

    async def prepare(self, preload: str) -> None:
        """Start the process that will replace the running one, up to the point where it loads the project's code."""
        running = self._child and not self._child.ended.is_set()
        if running and not self._stopping.is_set() and not (self._spare and not self._spare.ended.is_set()):
            self._spare = self._start(self._next_part(), preload)
            await self._spare.until_warm()

    async def replace(self) -> None:
        """Stop the process as stop() does, and start its successor without waiting for running jobs and requests."""
        self._exits.clear()
        self._signal(os.kill, signal.SIGTERM)
        old = self._child
        self.part = self._spare.part if self._spare else self._next_part()
        self._replaced.set()
        if self._listener and old:
            await old.ended.wait()  # until then it may answer instead of its successor

    async def _run_once(self) -> int | None:
        """Start the process, forward its output, and return its exit code, or None if it was stopped or replaced."""
        self._replaced.clear()
        try:
            child = self._child = self._take_spare() or self._start(self.part)
        except OSError as error:  # for example too many processes, or the folder has been deleted
            self._line(f"cannot start: {error}".encode())
            return os.EX_OSERR
        await race(child.ended.wait(), self._replaced.wait())
        if self._replaced.is_set():
            self._old[child] = leaving = asyncio.create_task(child.wait())
            leaving.add_done_callback(lambda _: self._old.pop(child))
            return None
        code = await child.wait()
        return None if self._stopping.is_set() else code

    def _next_part(self) -> Part:
        self._generation += 1
        return self._first_part.generation(self._generation)

    def _take_spare(self) -> Child | None:
        """Return the prepared process, if it waits."""
        spare, self._spare = self._spare, None
        if spare and not spare.ended.is_set():
            spare.release()
            return spare
        return None

    def _start(self, part: Part, preload: str = "") -> Child:
        return Child(part, self._line, self._file_line, preload, listener=self._listening())

    def _listening(self) -> int:
        """Return the socket from which this part's processes accept connections, or -1."""
        if self.part.listen and not self._listener:
            host, _, port = self.part.listen.rpartition(":")
            self._listener = socket.create_server((host, int(port)), backlog=BACKLOG)
        return self._listener.fileno() if self._listener else -1

    def _close(self) -> None:
        """Refuse connections from now on: no process will accept them."""
        if self._listener:
            self._listener.close()
        self._listener = None

    def _children(self) -> list[Child]:
        return [child for child in (self._child, self._spare, *self._old) if child]

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
        if self._child:
            self._child.signal(send, number)

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
    if code >= 0:
        return f"ended with exit code {code}"
    name = next((each.name for each in signal.Signals if each == -code), f"signal {-code}")  # a real-time signal
    return f"was killed by {name}"
