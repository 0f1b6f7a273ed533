"""The limit on CPU time for searches."""

from datetime import datetime
from time import thread_time

import pytest
from dateutil.rrule import rrulestr

from project.schedules.cpu_limit import TooSlow, cpu_limit


class Slow:
    """An object with a slow destructor; Python drops an exception in it."""

    def __del__(self) -> None:
        """Use more CPU time than the limit allows, in many calls."""
        end = thread_time() + 0.1
        while thread_time() < end:
            pass


def test_a_destructor_that_runs_during_a_search_does_not_end_the_limit() -> None:
    """The search goes on after it, and is stopped."""
    never = rrulestr("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", dtstart=datetime(2026, 1, 1))

    def search() -> None:
        Slow()
        next(iter(never))

    with pytest.raises(TooSlow), cpu_limit(0.05):
        search()
