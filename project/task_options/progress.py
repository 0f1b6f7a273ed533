"""Let a running task report its progress: `report_progress(0.25, "chapter 3 of 12")`."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

INTERVAL = 0.2  # seconds between two writes of a job: a person cannot follow more than five a second
LONGEST = 1000  # characters of a text that are kept, because every event carries it
Write = Callable[[dict[str, Any]], None]


class Reporter:
    """Passes on the reports of one job, at a limited rate."""

    def __init__(self, write: Write) -> None:
        """Note where the reports go."""
        self._write = write
        self._last: float | None = None
        self._due = 0.0

    def __call__(self, fraction: float, text: str) -> None:
        """Pass a report on: 0 and 1 always, other fractions at most five times a second."""
        begun = time.monotonic()
        if begun < self._due and (0 < fraction < 1 or fraction == self._last):
            return
        self._write({"fraction": fraction, "text": text[:LONGEST]})
        now = time.monotonic()
        # while Redis does not answer, each write takes its whole timeout; limit that to a tenth of the job's time
        self._due, self._last = now + max(INTERVAL, 10 * (now - begun)), fraction


# a context variable, because the coroutine of a job inherits it in the event loop's thread
_reporter: ContextVar[Reporter | None] = ContextVar("reporter", default=None)


def report_progress(fraction: float, text: str = "") -> None:
    """Report the progress of the running job: a fraction from 0 to 1, and a text (1,000 characters are kept).

    Raises ValueError for any other fraction. Call it as often as you like: it writes at most five times a second, and a
    failed write does not fail the job. Outside a job it does nothing.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"the progress of a job is a fraction from 0 to 1, not {fraction!r}")
    if reporter := _reporter.get():
        reporter(fraction, text)


def report_to(write: Write) -> None:
    """Pass the reports of the job that begins in this thread to *write*."""
    _reporter.set(Reporter(write))
