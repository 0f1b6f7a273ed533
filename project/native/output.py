"""Print the output of all processes, each line with the time and the process name, and write it to log files."""

import os
import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from project.native.line_format import LineFormat, wants_colour

STACK_LOG = "stack.log"
KEPT = 10_000  # lines buffered for a slow terminal or disk; further lines are dropped
FULL, OLD = 20 * 2**20, 4  # bytes of a log file, and the number of old files kept


class LogFile:
    """A log file that only its owner can read; a full one is renamed to FILE.1, FILE.1 to FILE.2, and so on."""

    def __init__(self, path: Path) -> None:
        """Append to the log of an earlier run; raise OSError if the file cannot be written."""
        self._path = path
        self._open()

    def write(self, text: bytes) -> None:
        """Append a text; raise OSError if the disk is full."""
        if self._size and self._size + len(text) > FULL:
            self._file.close()
            for number in range(OLD, 0, -1):
                older = self._old(number - 1)
                if older.exists():
                    older.replace(self._old(number))
            self._open()
        self._size += self._file.write(text)

    def _open(self) -> None:
        self._file = open(self._path, "ab", buffering=0, opener=partial(os.open, mode=0o600))  # noqa: SIM115
        os.fchmod(self._file.fileno(), 0o600)
        self._size = os.fstat(self._file.fileno()).st_size

    def _old(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path


class Writer:
    """Write in a thread, so that a closed or halted (Ctrl-S) terminal does not stop or block the launcher."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._texts: queue.Queue[bytes | None] = queue.Queue(KEPT)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, text: bytes) -> None:
        """Queue a text for writing, or drop it if the queue is full."""
        try:
            if self._dropped:
                self._texts.put_nowait(f"glassqueue: {self._dropped} lines dropped\n".encode())
                self._dropped = 0
            self._texts.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def close(self, patience: float) -> None:
        """Write the queued texts, for at most *patience* seconds."""
        try:
            self._texts.put(None, timeout=patience)
        except queue.Full:
            return
        self._thread.join(patience)

    def _run(self) -> None:
        while (text := self._texts.get()) is not None:
            try:
                self._write(text)
            except (OSError, ValueError):  # the terminal or the pipe is closed, or the disk is full
                continue


class Output:
    """Print lines and write them to log files, if there is a folder for them; neither output blocks the other."""

    def __init__(self, names: Iterable[str], folder: Path | None = None, stdout: int = 1) -> None:
        """Open the log file; raise OSError if it cannot be written."""
        self.format = LineFormat(names)
        self.is_terminal = os.isatty(stdout)
        self.quiet = False  # lines of processes go to the log file only, while the stack starts
        self._colour = wants_colour(stdout)
        self._listed = 0  # lines of the list that is shown last
        self._terminal = Writer(partial(_write_all, stdout))
        self._folder = folder
        self._files: dict[str, Writer] = {}
        if folder:
            self._file(STACK_LOG)

    def say(self, text: str) -> None:
        """Print a text of the launcher, without a prefix."""
        line = text.encode(errors="backslashreplace") + b"\n"
        self._print(line)
        self._write(STACK_LOG, line)

    def line(self, name: str, line: bytes, *, always: bool = False) -> None:
        """Print a line of a process; *always*: even while quiet, because it tells what has happened to the process."""
        full = self.format.line(datetime.now(), name, line) + b"\n"
        if always or not self.quiet:
            self._print(self.format.for_terminal(full, colour=self._colour))
        self._write(STACK_LOG, full)

    def line_in_file(self, file: str, name: str, line: bytes) -> None:
        """Write a line of a process to a log file of its own."""
        self._write(file, self.format.line(datetime.now(), name, line) + b"\n")

    def show(self, lines: list[str]) -> None:
        """Show a list on the terminal; overwrite the previous list if nothing was printed since."""
        up = f"\x1b[{self._listed}A" if self._listed else ""
        self._print((up + "".join(f"\x1b[K{line}\n" for line in lines)).encode())
        self._listed = len(lines)

    def close(self, patience: float = 2) -> None:
        """Write the queued texts, for at most *patience* seconds each."""
        for writer in (*self._files.values(), self._terminal):
            writer.close(patience)

    def _file(self, name: str) -> Writer:
        assert self._folder
        if name not in self._files:
            self._files[name] = Writer(LogFile(self._folder / name).write)
        return self._files[name]

    def _write(self, file: str, text: bytes) -> None:
        if self._folder:
            with suppress(OSError):  # a file that cannot be opened now; the launcher says so for the first one
                self._file(file).put(text)

    def _print(self, text: bytes) -> None:
        self._listed = 0
        self._terminal.put(text)


def _write_all(file: int, text: bytes) -> None:
    while text:
        text = text[os.write(file, text) :]


class Lines:
    """Read a pipe without blocking and pass on whole lines; overlong lines are split."""

    LONGEST = 65_536  # bytes

    def __init__(self, pipe: int, pass_on: Callable[[bytes], None]) -> None:
        self._pipe, self._pass_on, self._rest = pipe, pass_on, b""
        os.set_blocking(pipe, False)

    def read(self) -> bool:
        """Read the available bytes; return False at the end of the pipe."""
        try:
            chunk = os.read(self._pipe, self.LONGEST)
        except BlockingIOError:
            return True
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if not chunk or len(self._rest) > self.LONGEST:
            lines, self._rest = lines + [self._rest] * bool(self._rest), b""
        for line in lines:
            self._pass_on(line)
        return bool(chunk)
