"""When a schedule fires: one of rrule, cron, every and trigger_at, as times in UTC."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice, takewhile
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict

from project.schedules.cpu_limit import TooSlow, cpu_limit
from project.schedules.cron import Cron
from project.schedules.durations import parse_duration
from project.schedules.errors import InvalidSchedule
from project.schedules.ical import to_utc
from project.schedules.recurrence import Recurrence
from project.schedules.wall_clock import HORIZON, TICK, at_every_local_time, once_per_local_time
from project.schedules.zones import find_zone

SHORTEST = timedelta(milliseconds=10)  # the scheduler's loop cannot keep up with less
LONGEST = HORIZON
#: Times outside of these years are rejected: datetime ends at 9999, and time zones and intervals need some room.
YEARS = range(1600, 9000)
SECOND = timedelta(seconds=1)
PATIENCE = 0.5  # seconds of CPU time to find the first time of a rule, and the last one if it has a COUNT
Kind = Literal["rrule", "cron", "every", "trigger_at"]


class Rule(BaseModel):
    """A validated rule; `make_rule` creates one."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    text: str
    timezone: str = "UTC"
    start: AwareDatetime  # every: counted from here; rrule: DTSTART, unless the rule has one
    until: AwareDatetime | None = None  # as given
    ends: AwareDatetime | None = None  # the earliest of until, UNTIL and the end of COUNT

    def occurrences(self, after: datetime) -> Iterator[datetime]:
        """Yield the moments at which it fires after *after*, in order."""
        moments = self._unlimited(after)
        if ends := self.ends:
            moments = takewhile(lambda moment: moment <= ends, moments)
        return self._clock[0].with_dates(moments, after, self.until) if self.kind == "rrule" else moments

    def next_after(self, after: datetime) -> datetime | None:
        """Return the first moment after *after* at which it fires, or None."""
        return next(self.occurrences(after), None)

    def check(self) -> None:
        """Raise ValueError if the text of a stored rule cannot be used."""
        if self.kind == "every":
            parse_interval(self.text)
        elif self.kind != "trigger_at":
            _ = self._clock

    def _unlimited(self, after: datetime) -> Iterator[datetime]:
        if self.kind == "trigger_at":
            return (moment for moment in [self.start] if moment > after)
        if self.kind == "every":
            return _multiples(self.start, parse_interval(self.text), after)
        clock, zone = self._clock
        after = max(after, self.start - TICK)
        return (at_every_local_time if clock.all_day else once_per_local_time)(clock.readings, zone, after)

    @cached_property
    def _clock(self) -> tuple[Any, ZoneInfo]:
        """Return the Cron or the Recurrence, and its time zone."""
        zone = find_zone(self.timezone)
        if self.kind == "cron":
            return Cron(self.text), zone
        recurrence = Recurrence(self.text, self.start, zone)
        return recurrence, recurrence.zone


def _multiples(start: datetime, step: timedelta, after: datetime) -> Iterator[datetime]:
    # integers: times far from the start must not drift
    number = max(1, (after - start) // step + 1)
    with suppress(OverflowError):  # the end of the calendar
        while True:
            yield start + number * step
            number += 1


def parse_interval(text: str) -> timedelta:
    """Return a duration that a schedule can have, or raise ValueError."""
    step = parse_duration(text)
    if step < SHORTEST:
        raise ValueError("intervals shorter than 10 ms are not supported: the scheduler cannot keep up")
    if step > LONGEST:
        raise ValueError("intervals longer than 50 years are not supported; use trigger_at")
    return step


def make_rule(
    *,
    rrule: str | None = None,
    cron: str | None = None,
    every: str | timedelta | None = None,
    trigger_at: datetime | None = None,
    until: datetime | None = None,
    timezone: str = "UTC",
    start: datetime | None = None,
    now: datetime | None = None,
) -> Rule:
    """Return the rule, or raise InvalidSchedule with the wrong field and the reason. Give one of the first four.

    until: nothing fires after it. timezone: of wall-clock times, by its IANA name or that of Windows.
    start: DTSTART, now by default. every: 10 ms to 50 years; shorter than a second only with until.
    """
    now = now or datetime.now(UTC)
    given = {"rrule": rrule, "cron": cron, "every": every, "trigger_at": trigger_at}
    kind, value = _only_one({name: value for name, value in given.items() if value is not None})
    for name, moment in {"trigger_at": trigger_at, "until": until, "start": start}.items():
        _check_moment(name, moment, now)
    timezone = _zone(timezone)
    rule = Rule(
        kind=kind,
        text=to_utc(value).isoformat() if isinstance(value, datetime) else _text(value),
        timezone=timezone,
        start=trigger_at or start or _full_second(now),
        until=until,
        ends=until,
    )
    try:
        with cpu_limit(PATIENCE):
            rule = _CHECKS[kind](rule)
            if not _fires(rule, now):
                raise InvalidSchedule(kind, _why_never(rule))
    except TooSlow as error:
        raise InvalidSchedule(kind, str(error)) from None
    return rule


def _only_one(given: dict[str, Any]) -> tuple[Any, Any]:
    if not given:
        raise InvalidSchedule("rrule", "one of rrule, cron, every and trigger_at is needed")
    if len(given) > 1:
        first, *others = given
        raise InvalidSchedule(others[0], f"{first} is given already: only one of rrule, cron, every and trigger_at")
    return next(iter(given.items()))


def _check_moment(name: str, moment: datetime | None, now: datetime) -> None:
    if moment and moment.tzinfo is None:
        raise InvalidSchedule(name, "it needs a time zone")
    if moment and moment <= now and name != "start":
        raise InvalidSchedule(name, f"{moment.isoformat()} is in the past")
    if moment and name != "until":  # 9999-12-31 is how calendars write "without an end"
        _check_year(name, moment)


def _check_year(name: str, moment: datetime) -> None:
    if moment.year not in YEARS:
        raise InvalidSchedule(name, f"the year must be between {YEARS.start} and {YEARS.stop - 1}")


def _text(value: str | timedelta) -> str:
    return f"{value / timedelta(milliseconds=1):.15g}ms" if isinstance(value, timedelta) else value


def _full_second(moment: datetime) -> datetime:
    """Return the time, rounded up to a full second: calendar rules have no fractions of a second."""
    return moment if not moment.microsecond else moment.replace(microsecond=0) + SECOND


def _zone(name: str) -> str:
    """Return the IANA name of a time zone."""
    try:
        return find_zone(name).key
    except ValueError as error:
        raise InvalidSchedule("timezone", str(error)) from None


def _check_every(rule: Rule) -> Rule:
    try:
        step = parse_interval(rule.text)
    except ValueError as error:
        raise InvalidSchedule("every", str(error)) from None
    if step < SECOND and rule.until is None:
        raise InvalidSchedule("every", "intervals shorter than a second need an end; give until")
    return rule


def _check_cron(rule: Rule) -> Rule:
    try:
        Cron(rule.text)
    except ValueError as error:
        raise InvalidSchedule("cron", str(error)) from None
    return rule


def _check_rrule(rule: Rule) -> Rule:
    """Compute the end, so that COUNT is counted once and not each time the schedule fires."""
    try:
        recurrence = Recurrence(rule.text, rule.start, find_zone(rule.timezone))
        recurrence.check()
        if rule.until and (recurrence.until or recurrence.count):
            raise InvalidSchedule("until", "the rrule has an UNTIL or COUNT already")
        for moment in (recurrence.start, *recurrence.added):
            _check_year("rrule", moment)
        # its own DTSTART, if any, is the start
        start = recurrence.start.replace(tzinfo=recurrence.zone).astimezone(UTC)
        rule = rule.model_copy(update={"start": start, "timezone": recurrence.zone.key})
        ends = rule.until or recurrence.until
        if recurrence.count:
            # COUNT includes the times that EXDATE excludes, and not those that RDATE adds
            ends = max(islice(rule._unlimited(start - TICK), recurrence.count), default=start)
        return rule.model_copy(update={"ends": ends})
    except InvalidSchedule:
        raise
    except (ValueError, OverflowError) as error:
        raise InvalidSchedule("rrule", str(error)) from None


def _fires(rule: Rule, now: datetime) -> bool:
    try:
        return rule.next_after(now) is not None
    except (ValueError, OverflowError):  # dateutil finds during its search that the combination is empty
        return False


def _why_never(rule: Rule) -> str:
    if rule.ends and _fires(rule.model_copy(update={"ends": None}), rule.start - TICK):
        ends = rule.ends.isoformat()
        return f"it never fires: the first time would be after {ends}, or all times are in the past or in EXDATE"
    return "it never fires: no day in the next 50 years fits"


_CHECKS: dict[str, Callable[[Rule], Rule]] = {
    "rrule": _check_rrule,
    "cron": _check_cron,
    "every": _check_every,
    "trigger_at": lambda rule: rule,
}
