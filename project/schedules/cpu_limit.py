"""Stop a search for the times of a rule that takes too long.

dateutil tries one second, minute or day after another, possibly forever, and offers no way to interrupt that. A
profile function is called at each call that the thread makes, and may raise an exception.
"""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import thread_time
from types import FrameType
from typing import Any

CALLS = 100  # calls between two readings of the clock, which take longer than most calls
#: The packages whose code is stopped. Python may run a destructor or a callback of a weak reference between any two
#: lines; an exception there would be dropped, and with it the profile function.
STOPPED = ("dateutil", "project")


class TooSlow(Exception):
    """The search for the times of a rule takes too long."""

    def __init__(self) -> None:
        super().__init__("it takes too long to find the times of this rule; use fewer BY parts or a longer FREQ")


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise TooSlow when the block has used that many seconds of CPU time; blocks cannot be nested."""
    end, before, calls, over = thread_time() + seconds, sys.getprofile(), 0, False

    def check(frame: FrameType, *_: Any) -> None:
        """Compare the CPU time with the limit, at some of the calls."""
        nonlocal calls, over
        calls += 1
        if calls % CALLS == 0:
            over = thread_time() > end
        module = frame.f_globals.get("__name__", "")
        if over and module != __name__ and module.partition(".")[0] in STOPPED:
            raise TooSlow

    sys.setprofile(check)
    try:
        yield
    finally:
        end, over = math.inf, False  # the next line is a call, too
        sys.setprofile(before)
