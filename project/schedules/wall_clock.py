"""Convert local time to UTC, including changes to and from daylight saving time (DST)."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import YEARLY, rrule

HORIZON = timedelta(days=50 * 366)  # no search goes on for longer: it includes a 29 February that is a Monday
TICK = timedelta(microseconds=1)

#: Yields the local times at which the rule fires, from a local time on, in order, within HORIZON.
Readings = Callable[[datetime], Iterator[datetime]]


def some_day_fits(**by: Any) -> bool:
    """Tell whether such a day exists: dateutil would search for a 30 February day by day up to the year 9999."""
    # the years from 9971 to 9999 include leap years and others that begin on each day of the week
    return next(iter(rrule(YEARLY, dtstart=datetime(9971, 1, 1), **by)), None) is not None


def once_per_local_time(readings: Readings, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the times after *after*, for rules that name an hour of the day.

    A local time that occurs twice (end of DST) counts the first time. One that is skipped (start of DST) is shifted by
    the change, because a late job is better than no job on that day.
    """
    # a day earlier: a time in the skipped hour is shifted to a later one
    for reading in readings(after.astimezone(zone).replace(tzinfo=None) - timedelta(days=1)):
        moment = reading.replace(tzinfo=zone).astimezone(UTC)
        if moment > after:
            yield (after := moment)


def at_every_local_time(readings: Readings, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the times after *after*, for rules that fire all day, such as every quarter of an hour.

    A local time that occurs twice (end of DST) counts twice; one that is skipped (start of DST) does not count.
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
    """Return the second at which the UTC offset of a zone changes between two times."""
    low, high = int(before.timestamp()), int(after.timestamp())
    old = _offset(before, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), zone) == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
