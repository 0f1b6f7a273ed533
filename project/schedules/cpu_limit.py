"""Stop a search for the times of a rule that takes too long.

dateutil tries one second, minute or day after another, for seconds or for ever, and yields only what fits. It offers no
way to interrupt that. A profile function is called at each call that the thread makes, and may raise an exception.
"""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import thread_time
from typing import Any

CALLS = 100  # between two looks at the clock, which take longer than most calls


class TooSlow(Exception):
    """The times of a rule cannot be found in time."""

    def __init__(self) -> None:
        super().__init__("it takes too long to find its times; write it with fewer BY parts or a longer FREQ")


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise TooSlow in the block when its thread has used so many seconds of CPU time; blocks cannot be nested."""
    end, before, calls = thread_time() + seconds, sys.getprofile(), 0

    def look(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls % CALLS == 0 and thread_time() > end:
            raise TooSlow

    sys.setprofile(look)
    try:
        yield
    finally:
        end = math.inf  # the next call is one, too
        sys.setprofile(before)
