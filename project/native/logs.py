"""Print the log of the stack (`make logs`): its last lines, or all lines about one job (`make logs JOB=id`)."""

import os
import re
import signal
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from project import misspelt
from project.native.line_format import LineFormat, wants_colour
from project.native.output import OLD, STACK_LOG
from project.settings import get_settings

LAST = 1000  # lines that are printed without JOB
REQUESTS = "access.log"
_LINE = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (\S+) +\| ")


def main() -> None:
    """Print the lines that JOB and PART select, or exit with a message if there are none."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end quietly when `head` or `less` stops reading
    misspelt.refuse_misspelt_settings()
    folder = get_settings().run_dir
    try:
        _show(folder)
    except OSError as error:  # for example the stack of another user
        sys.exit(f"glassqueue: {error.filename or folder}: {error.strerror}")


def _show(folder: Path) -> None:
    if not (folder / STACK_LOG).exists():
        sys.exit(f"glassqueue: there is no log in {folder} yet; start the stack with `make up`")
    job_id, part = os.environ.get("JOB", ""), os.environ.get("PART", "")
    lines = _about(folder, job_id) if job_id else _last(folder, part)
    if not lines:
        sys.exit(f"glassqueue: no line about {job_id or part} is in {folder}/{STACK_LOG}*, which keeps 100 MiB")
    _print(lines)


def _last(folder: Path, part: str) -> list[bytes]:
    """Return the last lines of the stack, or of the parts whose name begins with *part*."""
    lines = _lines(folder, STACK_LOG)
    if part:
        lines = (line for line in lines if (found := _LINE.match(line)) and found[1].startswith(part.encode()))
    return list(deque(lines, LAST))


def _about(folder: Path, job_id: str) -> list[bytes]:
    """Return the lines with a job's id, and NGINX's lines of the requests that submitted it, in the order of time."""
    word = re.compile(rb"(?<![\w.~-])" + re.escape(job_id.encode()) + rb"(?![\w.~-])")
    lines = [line for line in _lines(folder, STACK_LOG) if word.search(line) and _LINE.match(line)]
    requests = {found[1] for line in lines for found in re.finditer(rb" (request_id=\w{32})\b", line)}
    lines += [line for line in _lines(folder, REQUESTS) if any(request in line for request in requests)]
    return sorted(lines, key=lambda line: line[:23])


def _lines(folder: Path, name: str) -> Iterator[bytes]:
    """Yield the lines of a log file, the oldest first."""
    for path in (*(folder / f"{name}.{number}" for number in range(OLD, 0, -1)), folder / name):
        if path.exists():
            with path.open("rb") as file:
                yield from file


def _print(lines: Iterable[bytes]) -> None:
    """Print lines as `make up` does."""
    names = dict.fromkeys(found[1].decode() for line in lines if (found := _LINE.match(line)))
    shape, colour = LineFormat(names), wants_colour(1)
    for line in lines:
        sys.stdout.buffer.write(shape.for_terminal(line, colour=colour) if _LINE.match(line) else line)


if __name__ == "__main__":
    main()
