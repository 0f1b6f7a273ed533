"""Recurrence rules: RFC 5545's RRULE, with DTSTART, RDATE and EXDATE if they are given; expanded by dateutil."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import cached_property
from heapq import merge
from itertools import product
from math import prod
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, rrule, rrulestr

from project.schedules.ical import Property, last_moment, read_lines, read_time, read_times, to_utc, zone_of
from project.schedules.wall_clock import HORIZON, some_day_fits

MOST = 10_000  # COUNT: the last occurrence is computed when the schedule is created
STEPS = {  # without COUNT, these can start later with the same result
    "SECONDLY": timedelta(seconds=1),
    "MINUTELY": timedelta(minutes=1),
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(days=1),
    "WEEKLY": timedelta(weeks=1),
}
TIMES_A_DAY = 1440  # every minute; rules that fire more often need FREQ=MINUTELY or SECONDLY
ALL_DAY = ("SECONDLY", "MINUTELY", "HOURLY")
LOOKED_THROUGH = 8 * 366  # days, for rules that fire all day: dateutil would search up to the year 9999
SECOND_BY_SECOND = 40  # days, for searches that try every second
_LIMITS = {
    "INTERVAL": (1, 1_000_000), "COUNT": (1, MOST), "BYSECOND": (0, 59), "BYMINUTE": (0, 59), "BYHOUR": (0, 23),
    "BYMONTHDAY": (-31, 31), "BYYEARDAY": (-366, 366), "BYWEEKNO": (-53, 53), "BYMONTH": (1, 12),
    "BYSETPOS": (-366, 366),
}  # fmt: skip
_DAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")


class Recurrence:
    """A parsed recurrence rule; the caller applies `until` and `count`."""

    def __init__(self, text: str, start: datetime, zone: ZoneInfo) -> None:
        """Parse it; *start* is used if it has no DTSTART. Raise ValueError with the reason if it is invalid."""
        lines = read_lines(text)
        self.zone, self.start = zone, start.astimezone(zone).replace(tzinfo=None)
        for line in lines:
            if line.name == "DTSTART":
                self.zone = zone_of(line, zone)
                self.start, _, _ = read_time(line.value, "DTSTART")
        parts = _parts(lines)
        self.parts = _checked(parts)
        self.count = int(self.parts.pop("COUNT", 0)) or None
        until = self.parts.pop("UNTIL", None)
        self.until = last_moment(until, self.zone) if until else None
        self._read_dates(lines)
        self.all_day = parts["FREQ"] in ALL_DAY

    @cached_property
    def _rule(self) -> Any:
        """Return dateutil's rule; its constructor lists all times of a day."""
        return rrulestr(";".join(f"{name}={value}" for name, value in self.parts.items()), dtstart=self.start)

    def _read_dates(self, lines: list[Property]) -> None:
        """Read the times of RDATE and EXDATE; a date in RDATE means that day at the time of DTSTART."""
        self.added, self._left_out, self._days_left_out = set[datetime](), set[datetime](), set[date]()
        for line in lines:
            if line.name in ("RDATE", "EXDATE"):
                moments, days = read_times(line, self.zone)
                if line.name == "EXDATE":
                    self._left_out |= moments
                    self._days_left_out |= days
                else:
                    at = [datetime.combine(day, self.start.time(), self.zone) for day in days]
                    self.added |= moments | {to_utc(moment) for moment in at}

    def with_dates(self, moments: Iterator[datetime], after: datetime, until: datetime | None) -> Iterator[datetime]:
        """Yield *moments* merged with the times of RDATE after *after* and up to *until*, except those in EXDATE."""
        added = sorted(moment for moment in self.added if moment > after and not (until and moment > until))
        last = None
        for moment in merge(moments, added):
            if moment != last and not self._is_left_out(moment):
                yield moment
            last = moment

    def _is_left_out(self, moment: datetime) -> bool:
        return moment in self._left_out or moment.astimezone(self.zone).date() in self._days_left_out

    def check(self) -> None:
        """Raise ValueError if dateutil would search for its times for long; called once, when a schedule is created."""
        times = prod(len(self.parts.get(name, "").split(",")) for name in ("BYHOUR", "BYMINUTE", "BYSECOND"))
        if not self.all_day and times > TIMES_A_DAY:
            raise ValueError(f"BYHOUR, BYMINUTE and BYSECOND make {times} times a day, more than {TIMES_A_DAY}")
        if not _has_days(self.parts, self._rule):
            raise ValueError("it never fires: no year has such a day")
        if self.all_day and not _meets_soon(self.parts, self._rule, self.start):
            raise ValueError("it never fires, or not for a long time: INTERVAL and the BY parts do not meet")

    def readings(self, begin: datetime) -> Iterator[datetime]:
        """Yield the local times at which it fires, from *begin* on."""
        # from now at least: a rule with a COUNT may have begun long ago, and all its times are counted
        now = datetime.now(self.zone).replace(tzinfo=None)
        until = max(begin, self.start, now) + HORIZON
        rule: Any = self._rule.replace(dtstart=self._nearer_start(begin), until=until)
        return iter(rule.xafter(begin, inc=True))

    def _nearer_start(self, begin: datetime) -> datetime:
        """Return a start shortly before *begin* from which the rule has the same times."""
        step = STEPS.get(self.parts["FREQ"])
        if step is None or begin <= self.start:
            return self.start
        step *= int(self.parts.get("INTERVAL", 1))
        # one step less: in the first week of a WEEKLY rule, the days before DTSTART do not count
        return self.start + max(0, (begin - self.start) // step - 1) * step


def _parts(lines: list[Property]) -> dict[str, str]:
    """Return the parts of the rule; there must be exactly one."""
    names = [line.name for line in lines]
    if names.count("DTSTART") > 1:
        raise ValueError("DTSTART occurs twice")
    if names.count("RRULE") != 1:
        raise ValueError("one RRULE is needed, such as FREQ=DAILY;BYHOUR=9, with a DTSTART or without")
    rule = "".join(next(line.value for line in lines if line.name == "RRULE").split())
    pairs = [part.partition("=") for part in rule.strip(";").split(";")]
    parts = [name for name, _, _ in pairs]
    for name in parts:
        if parts.count(name) > 1:
            raise ValueError(f"{name} occurs twice")
    return {name: value for name, _, value in pairs}


def _checked(parts: dict[str, str]) -> dict[str, str]:
    if parts.get("FREQ") not in (*STEPS, "MONTHLY", "YEARLY"):
        raise ValueError("FREQ is needed: SECONDLY, MINUTELY, HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY")
    if {"COUNT", "UNTIL"} <= parts.keys():
        raise ValueError("COUNT and UNTIL exclude each other")
    for name, value in parts.items():
        _check(name, value)
    _check_combination(parts)
    return dict(parts)


def _check(name: str, value: str) -> None:
    if name in _LIMITS:
        low, high = _LIMITS[name]
        one = name in ("INTERVAL", "COUNT")
        numbers = [value] if one else value.split(",")
        fits = all(re.fullmatch(r"[+-]?[0-9]{1,9}", number) and low <= int(number) <= high for number in numbers)
        if not fits or (low < 0 and any(int(number) == 0 for number in numbers)):
            raise ValueError(f"{name} is {low} to {high}{' without 0' if low < 0 else ''}, not {value!r}")
    elif name in ("BYDAY", "WKST"):
        if not all(_DAY.fullmatch(day) for day in value.split(",")) or (name == "WKST" and len(value) != 2):
            raise ValueError(f"{name} is made of MO, TU, WE, TH, FR, SA and SU, not {value!r}")
    elif name not in ("FREQ", "UNTIL"):
        raise ValueError(f"{name or 'a part without a name'} is not known")


def _check_combination(parts: dict[str, str]) -> None:
    """Reject what RFC 5545 forbids, and impossible positions, for which dateutil would search for hours."""
    freq, by = parts["FREQ"], {name for name in parts if name.startswith("BY")}
    _check_numbers_of_days(freq, parts.get("BYDAY", ""), in_month=freq == "MONTHLY" or "BYMONTH" in by)
    for name, freqs in {"BYWEEKNO": ("YEARLY",), "BYYEARDAY": ("YEARLY", *ALL_DAY)}.items():
        if name in by and freq not in freqs:
            raise ValueError(f"{name} does not go with FREQ={freq}")
    if "BYMONTHDAY" in by and freq == "WEEKLY":
        raise ValueError("BYMONTHDAY does not go with FREQ=WEEKLY")
    if freq == "SECONDLY" and by & {"BYHOUR", "BYMINUTE"} and by & {"BYMONTH", "BYMONTHDAY", "BYYEARDAY"}:
        raise ValueError("its times would be searched for second by second; use FREQ=DAILY with BYSECOND")
    if "BYSETPOS" not in by:
        return
    if by == {"BYSETPOS"}:
        raise ValueError("BYSETPOS needs another BY part to choose from")
    inside = {"HOURLY": ("BYMINUTE", "BYSECOND"), "MINUTELY": ("BYSECOND",), "SECONDLY": ()}.get(freq)
    if inside is not None:
        size = prod(len(parts[name].split(",")) for name in inside if name in parts)
        if all(abs(int(position)) > size for position in parts["BYSETPOS"].split(",")):
            raise ValueError(f"it never fires: there is no position {parts['BYSETPOS']} among {size}")


def _check_numbers_of_days(freq: str, days: str, *, in_month: bool) -> None:
    numbers, most = [int(number) for number in re.findall(r"\d+", days)], 5 if in_month else 53
    if numbers and freq not in ("MONTHLY", "YEARLY"):
        raise ValueError(f"BYDAY has a number only with FREQ=MONTHLY or YEARLY, not {freq}")
    if wrong := [number for number in numbers if not 1 <= number <= most]:  # for some, dateutil raises an IndexError
        raise ValueError(f"BYDAY has the numbers 1 to {most} and -1 to -{most} here, not {wrong[0]}")


def _has_days(parts: dict[str, str], rule: Any) -> bool:
    if not {"BYMONTH", "BYMONTHDAY", "BYYEARDAY"} & parts.keys():
        return True
    days = _of_days(rule)
    if parts["FREQ"] not in STEPS:  # with MONTHLY or YEARLY, BYDAY may mean the second Monday, for example
        days.pop("byweekday", None)
    return some_day_fits(**days)


def _of_days(rule: Any) -> dict[str, Any]:
    names = ("bymonth", "bymonthday", "byyearday", "byweekday")
    # the original parts: values that dateutil derives from DTSTART are no restrictions
    return {name: value for name, value in rule._original_rule.items() if name in names}


def _meets_soon(parts: dict[str, str], rule: Any, start: datetime) -> bool:
    """Tell whether a rule that fires all day has a matching time on a matching day soon."""
    freq, midnight, interval = parts["FREQ"], datetime.combine(start, time()), int(parts.get("INTERVAL", 1))
    unit = STEPS[freq].seconds
    times = product(rule._byhour or range(24), rule._byminute or range(60), rule._bysecond or range(60))
    fitting = {(3600 * hour + 60 * minute + second) // unit % interval for hour, minute, second in times}
    slow = freq == "SECONDLY" and {"BYHOUR", "BYMINUTE"} & parts.keys()
    until = midnight + timedelta(days=SECOND_BY_SECOND if slow else LOOKED_THROUGH)
    begin, a_day = (start - midnight).seconds // unit, 86_400 // unit
    days = rrule(DAILY, dtstart=midnight, until=until, **_of_days(rule))
    return any((begin - a_day * (day - midnight).days) % interval in fitting for day in days)
