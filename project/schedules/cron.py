"""Cron: five fields or a macro, as crontab(5) has them. This is the only parser of the format: settings use it too.

It also accepts full names (sunday, january) and ranges that wrap (22-2, fri-mon), as Celery's crontab does. The library
cronsim knows neither these nor macros, accepts a sixth field for seconds, and its errors do not say what is wrong.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from dateutil.rrule import DAILY, rrule, rruleset

from project.schedules.wall_clock import HORIZON, some_day_fits

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ["january", "february", "march", "april", "may", "june"]
_MONTHS += ["july", "august", "september", "october", "november", "december"]
_DAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]


class _Field(NamedTuple):
    """The range of a field; names are numbered from *low*."""

    title: str
    low: int
    high: int
    names: Sequence[str] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)


class Cron:
    """A parsed cron line."""

    def __init__(self, text: str) -> None:
        """Parse it; raise ValueError that names the invalid field."""
        line = text.strip().lower().replace("?", "*")
        if line.startswith("@") and line not in MACROS:
            raise ValueError(f"{line} is not one of {', '.join(MACROS)}")
        fields = MACROS.get(line, line).split()
        if len(fields) != len(_FIELDS):
            raise ValueError("cron has five fields: minute, hour, day of month, month, day of week")
        values = [_values(text, field) for text, field in zip(fields, _FIELDS, strict=True)]
        self.minutes, self.hours, self._month_days, self._months, days = values
        # dateutil counts from Monday, cron from Sunday
        self._week_days = sorted({(day - 1) % 7 for day in days})
        self._either = not fields[2].startswith("*") and not fields[4].startswith("*")
        if not some_day_fits(bymonth=self._months, bymonthday=self._month_days):
            if fields[4].startswith("*"):
                raise ValueError("it never fires: no month has such a day")
            # 0 0 30 2 mon fires on Mondays; dateutil would first search fifty years for the 30 February
            self._month_days = []
        self.all_day = fields[1].startswith("*")

    def readings(self, begin: datetime) -> Iterator[datetime]:
        """Yield the local times at which it fires, from *begin* on."""
        start = begin.replace(second=0, microsecond=0)
        common: dict[str, Any] = {"dtstart": start, "until": start + HORIZON, "bysecond": 0}
        common |= {"byminute": self.minutes, "byhour": self.hours, "bymonth": self._months}
        by_month_day, by_week_day = {"bymonthday": self._month_days}, {"byweekday": self._week_days}
        rules = rruleset()
        # crontab(5): a day of the month *or* of the week, if both are restricted
        either = [by_month_day, by_week_day] if self._month_days else [by_week_day]
        for days in either if self._either else [by_month_day | by_week_day]:
            rules.rrule(rrule(DAILY, **common | days))
        return (reading for reading in rules if reading >= begin)


def _values(text: str, field: _Field) -> list[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d{1,4}))?", part, re.ASCII)
        if not match:
            raise ValueError(f"{part!r} is not a {field.title}")
        every, begin, end, step = match.groups()
        if step and not int(step):
            raise ValueError(f"{part!r} is not a {field.title}: the step must be at least 1")
        first = field.low if every else _number(begin, field)
        last = _number(end, field) if end else (field.high if every or step else first)
        found.update(_range(first, last, field)[:: int(step or 1)])
    return sorted(found)


def _range(first: int, last: int, field: _Field) -> list[int]:
    """Return the numbers from first to last; 22-2 wraps to 22, 23, 0, 1, 2."""
    if field.names is _DAYS and last == 7 > first:  # 5-7: Friday to Sunday
        return [*range(first, 7), 0]
    first, last = (number % 7 if field.names is _DAYS else number for number in (first, last))
    if first <= last:
        return list(range(first, last + 1))
    return [*range(first, field.high + 1), *range(field.low, last + 1)]


def _number(text: str, field: _Field) -> int:
    """Return the number of a name (of its first three letters or more) or of digits."""
    named = [number for number, name in enumerate(field.names, field.low) if name.startswith(text) and len(text) > 2]
    number = named[0] if named else int(text) if re.fullmatch(r"[0-9]{1,2}", text) else -1
    high = 7 if field.names is _DAYS else field.high  # Sunday is 0 and 7
    if not field.low <= number <= high:
        raise ValueError(f"{text!r} is not a {field.title}: {field.low} to {high}")
    return number
