"""Cron: five fields or a macro, as crontab(5) has them."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

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
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[str, int, int, list[str], int], ...] = (
    ("minute", 0, 59, [], 0),
    ("hour", 0, 23, [], 0),
    ("day of month", 1, 31, [], 0),
    ("month", 1, 12, _MONTHS, 1),
    ("day of week", 0, 7, _DAYS, 0),
)


class Cron:
    """A parsed cron line."""

    def __init__(self, text: str) -> None:
        """Parse it; raise ValueError that says which field is wrong."""
        line = text.strip().lower().replace("?", "*")
        if line.startswith("@") and line not in MACROS:
            raise ValueError(f"{line} is not one of {', '.join(MACROS)}")
        fields = MACROS.get(line, line).split()
        if len(fields) != len(_FIELDS):
            raise ValueError("cron has five fields: minute, hour, day of month, month, day of week")
        values = [_values(field, *limits) for field, limits in zip(fields, _FIELDS, strict=True)]
        self.minutes, self.hours, self._month_days, self._months, days = values
        # dateutil counts from Monday, cron from Sunday, which is 7 too
        self._week_days = sorted({(day - 1) % 7 for day in days})
        self._either = not fields[2].startswith("*") and not fields[4].startswith("*")
        if fields[4].startswith("*") and not some_day_fits(bymonth=self._months, bymonthday=self._month_days):
            raise ValueError("it never fires: no month has such a day")
        self.all_day = fields[1].startswith("*")

    def readings(self, begin: datetime) -> Iterator[datetime]:
        """Yield what the clock shows when it fires, from *begin* on."""
        start = begin.replace(second=0, microsecond=0)
        common: dict[str, Any] = {"dtstart": start, "until": start + HORIZON, "bysecond": 0}
        common |= {"byminute": self.minutes, "byhour": self.hours, "bymonth": self._months}
        by_month_day, by_week_day = {"bymonthday": self._month_days}, {"byweekday": self._week_days}
        rules = rruleset()
        # crontab(5): a day of the month *or* of the week, if both are restricted
        for days in [by_month_day, by_week_day] if self._either else [by_month_day | by_week_day]:
            rules.rrule(rrule(DAILY, **common | days))
        return (reading for reading in rules if reading >= begin)


def _values(field: str, name: str, low: int, high: int, names: list[str], first: int) -> list[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = re.fullmatch(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?", part)
        if not match:
            raise ValueError(f"{part!r} is not a {name}")
        every, begin, end, step = match.groups()
        lowest = low if every else _number(begin, name, low, high, names, first)
        highest = _number(end, name, low, high, names, first) if end else (high if every or step else lowest)
        if step == "0" or lowest > highest:
            raise ValueError(f"{part!r} is not a range of the {name}")
        found.update(range(lowest, highest + 1, int(step or 1)))
    return sorted(found)


def _number(text: str, name: str, low: int, high: int, names: list[str], first: int) -> int:
    number = names.index(text) + first if text in names else int(text) if text.isdecimal() else -1
    if not low <= number <= high:
        raise ValueError(f"{text!r} is not a {name}: {low} to {high}")
    return number
