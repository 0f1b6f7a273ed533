"""A running task says how far it is: `report_progress(0.25, "chapter 3 of 12")`."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

INTERVAL = 0.2  # seconds between two writes of a job: five a second are as many as anyone can watch
LONGEST = 1000  # characters of a text that are kept: it travels with every event
Write = Callable[[dict[str, Any]], None]


class Reporter:
    """Passes on what one job reports, unless it reports faster than it makes sense to write."""

    def __init__(self, write: Write) -> None:
        """Note where to pass it on to."""
        self._write = write
        self._last: float | None = None
        self._due = 0.0

    def __call__(self, fraction: float, text: str) -> None:
        """Pass a report on; beginning and end always get through, what lies between at most five times a second."""
        begun = time.monotonic()
        if begun < self._due and (0 < fraction < 1 or fraction == self._last):
            return
        self._write({"fraction": fraction, "text": text[:LONGEST]})
        now = time.monotonic()
        # while Redis is frozen each write takes its whole timeout; it may not take more than a tenth of the job's time
        self._due, self._last = now + max(INTERVAL, 10 * (now - begun)), fraction


# a context variable, because the event loop hands it on to the coroutine of a job
_reporter: ContextVar[Reporter | None] = ContextVar("reporter", default=None)


def report_progress(fraction: float, text: str = "") -> None:
    """Say how far the running job is: a fraction from 0 to 1, and a text for people (1,000 characters are kept).

    Raises ValueError for any other fraction. Call it as often as you like: a job's record is written at most five times
    a second, and that it cannot be written fails no job. Outside a job nothing happens.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"the progress of a job is a fraction from 0 to 1, not {fraction!r}")
    if reporter := _reporter.get():
        reporter(fraction, text)


def report_to(write: Write) -> None:
    """Pass on to *write* what the job reports that begins in this thread."""
    _reporter.set(Reporter(write))
