"""One format for the lines of all programs: time, part and text, coloured by part on a terminal."""

import os
import re
from collections.abc import Iterable
from datetime import datetime

# The timestamps that the programs write themselves; the launcher replaces them with its own. In order: Python's logging
# and Locust, Redis and Valkey, NGINX
_CLOCK = re.compile(
    rb"\[?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\]? "
    rb"|\d+:[A-Z] \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3} [-.*#] "
    rb"|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d "
)
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


class LineFormat:
    """The lines of some parts: their names in one column."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)
        self._width = max(map(len, self._names), default=0)

    def line(self, now: datetime, name: str, text: bytes) -> bytes:
        """Return a line for the log file, with the date and milliseconds."""
        return f"{now:%Y-%m-%d %H:%M:%S}.{now.microsecond // 1000:03} {self.pad(name)} | ".encode() + without_clock(
            text
        )

    def pad(self, name: str) -> str:
        """Return a name, padded to the width of the longest one."""
        return f"{name:{self._width}}"

    def for_terminal(self, line: bytes, *, colour: bool) -> bytes:
        """Return a line of the log file as a terminal shows it: no date, no milliseconds, the part's colour."""
        head, separator, text = line.partition(b" | ")
        short = head[11:19] + head[23:]
        name = head[24:].decode(errors="replace").strip()
        return (_paint(short, self._colour(name)) if colour else short) + separator + text

    def _colour(self, name: str) -> int:
        known = self._names.index(name) if name in self._names else len(self._names)
        return _COLOURS[known % len(_COLOURS)]


def without_clock(text: bytes) -> bytes:
    """Return a line of a program without the time at its beginning."""
    found = _CLOCK.match(text)
    return text[found.end() :] if found else text


def wants_colour(file: int) -> bool:
    """Tell whether to colour what is written to a file: on a terminal, unless NO_COLOR is set (https://no-color.org)."""
    return os.isatty(file) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _paint(text: bytes, colour: int) -> bytes:
    return b"\x1b[%dm%s\x1b[0m" % (colour, text)
