"""From what a clock on the wall shows to moments: the days on which it is put forward or back are the hard ones."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import YEARLY, rrule

HORIZON = timedelta(days=50 * 366)  # no rule is looked for longer: long enough for a Monday that is a 29 February
TICK = timedelta(microseconds=1)

#: Yields what the clock shows when the rule fires, from a reading on, in order, for as long as HORIZON.
Readings = Callable[[datetime], Iterator[datetime]]


def some_day_fits(**by: Any) -> bool:
    """Tell whether there is such a day at all: dateutil would look for a 30 February day by day up to the year 9999."""
    # the years from here to there are of all kinds: leap years and others that begin on each day of the week
    return next(iter(rrule(YEARLY, dtstart=datetime(9971, 1, 1), **by)), None) is not None


def once_a_reading(readings: Readings, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the moments after *after*; for rules that name an hour of the day.

    An hour that is shown twice counts the first time; in an hour that is left out, the rule fires as much later as the
    clock is put forward, since a job that runs late is better than one that does not run on that day.
    """
    # a day earlier: putting the clock forward makes moments later than their reading
    for reading in readings(after.astimezone(zone).replace(tzinfo=None) - timedelta(days=1)):
        moment = reading.replace(tzinfo=zone).astimezone(UTC)
        if moment > after:
            yield (after := moment)


def every_reading(readings: Readings, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the moments after *after*; for rules that go on all day, such as every quarter of an hour.

    An hour that is shown twice counts twice, one that is left out does not count.
    """
    begin: datetime | None = after + TICK
    while begin:
        offset, change = _offset(begin, zone), None
        for reading in readings((begin + offset).replace(tzinfo=None)):
            moment = (reading - offset).replace(tzinfo=UTC)
            if _offset(moment, zone) != offset:
                change = _change(zone, begin, moment)
                break
            yield (begin := moment)
        begin = change


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the second at which the zone's offset changes between two moments."""
    low, high = int(before.timestamp()), int(after.timestamp())
    old = _offset(before, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), zone) == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
