"""Print what all processes print, each line with its time and the name of its process."""

import os
import queue
import threading
import time
from collections.abc import Callable

KEPT = 10_000  # lines that wait for a slow terminal; later ones are dropped


class Output:
    """Prints from a thread: a terminal that is closed or halted (Ctrl-S) neither stops nor blocks the launcher."""

    def __init__(self, width: int, stdout: int = 1) -> None:
        self._width, self._stdout = width, stdout
        self._lines: queue.Queue[bytes | None] = queue.Queue(KEPT)
        self._dropped = 0
        self._thread = threading.Thread(target=self._print, daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """Print a text of the launcher as it is."""
        self._put(text.encode(errors="backslashreplace") + b"\n")

    def line(self, name: str, line: bytes) -> None:
        """Print a line of a process."""
        self._put(f"{time.strftime('%H:%M:%S')} {name:{self._width}} | ".encode() + line + b"\n")

    def close(self, patience: float = 2) -> None:
        """Print what is left, unless the terminal takes longer than that many seconds."""
        try:
            self._lines.put(None, timeout=patience)
        except queue.Full:
            return
        self._thread.join(patience)

    def _put(self, text: bytes) -> None:
        try:
            if self._dropped:
                self._lines.put_nowait(f"glassqueue: {self._dropped} lines left out\n".encode())
                self._dropped = 0
            self._lines.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def _print(self) -> None:
        while (text := self._lines.get()) is not None:
            try:
                while text:
                    text = text[os.write(self._stdout, text) :]
            except OSError:  # the terminal or the reader of a pipe is gone
                continue


class Lines:
    """Reads a pipe without blocking and passes on each whole line; one that never ends is cut."""

    LONGEST = 65_536  # bytes

    def __init__(self, pipe: int, pass_on: Callable[[bytes], None]) -> None:
        self._pipe, self._pass_on, self._rest = pipe, pass_on, b""
        os.set_blocking(pipe, False)

    def read(self) -> bool:
        """Read what is there; return whether more can come."""
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
