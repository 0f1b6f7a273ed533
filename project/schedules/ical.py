"""The lines of a recurrence as RFC 5545 writes them: unfolded, with their parameters, dates and times."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from project.schedules.zones import find_zone

NAMES = ("DTSTART", "RRULE", "EXDATE", "RDATE")
_KNOWN = rf"(?:{'|'.join(NAMES)}|EXRULE)[;:]"
# a line break and a blank continue a line (3.1), unless a property name follows
_FOLD = re.compile(rf"\r?\n[ \t](?!\s*{_KNOWN})")
_BETWEEN = re.compile(rf"[\r\n]+|\s+(?={_KNOWN}|FREQ=)")
_LINE = re.compile(r'([A-Z-]+)((?:;[A-Z-]+=(?:"[^"]*"|[^";:]*))*):(.*)')
_PARAMETER = re.compile(r';([A-Z-]+)=(?:"([^"]*)"|([^";:]*))')
_TIME = re.compile(r"[0-9]{8}(T[0-9]{6}Z?)?")


@dataclass(frozen=True)
class Property:
    """A line: its name, its parameters and the text after the colon."""

    name: str
    parameters: dict[str, str]
    value: str


def read_lines(text: str) -> list[Property]:
    """Return the lines of a recurrence, in upper case; a line without a name is the rule. Raise ValueError."""
    lines = (line.strip() for line in _BETWEEN.split(_FOLD.sub("", text.upper())))
    return [_property(line) for line in lines if line]


def _property(line: str) -> Property:
    match = _LINE.fullmatch(line)
    if not match:
        return Property("RRULE", {}, line)
    name, parameters, value = match.groups()
    if name == "EXRULE":
        raise ValueError("EXRULE is not supported, RFC 5545 has removed it; list the times to leave out as EXDATE")
    if name not in NAMES:
        raise ValueError(f"{name} is not known; a recurrence is made of {', '.join(NAMES)}")
    found = {key: quoted or plain for key, quoted, plain in _PARAMETER.findall(parameters)}
    return Property(name, found, value)


def read_time(text: str, name: str) -> tuple[datetime, bool, bool]:
    """Return the time, whether it is UTC, and whether it is only a date, which means midnight."""
    if not _TIME.fullmatch(text):
        raise ValueError(f"{name} looks like 20300101T090000 or 20300101, not {text!r}")
    whole_day = len(text) == 8
    try:
        reading = datetime.strptime(text.removesuffix("Z"), "%Y%m%d" if whole_day else "%Y%m%dT%H%M%S")
    except ValueError:
        raise ValueError(f"{name}: there is no such day or time: {text}") from None
    return reading, text.endswith("Z"), whole_day


def zone_of(line: Property, zone: ZoneInfo) -> ZoneInfo:
    """Return the time zone of a line: its TZID, UTC if its times end with Z, or else *zone*."""
    in_utc = line.value.endswith("Z")
    if "TZID" not in line.parameters:
        return ZoneInfo("UTC") if in_utc else zone
    if in_utc:
        raise ValueError(f"{line.name} has a TZID and a time in UTC; remove the TZID or the Z")
    return find_zone(line.parameters["TZID"])


def read_times(line: Property, zone: ZoneInfo) -> tuple[set[datetime], set[date]]:
    """Return the times (in UTC) and the whole days that a line lists."""
    if line.parameters.get("VALUE", "DATE") not in ("DATE", "DATE-TIME"):
        raise ValueError(f"{line.name} has dates or times, not {line.parameters['VALUE']}")
    moments, days = set(), set()
    for text in line.value.split(","):
        reading, in_utc, whole_day = read_time(text.strip(), line.name)
        if whole_day:
            days.add(reading.date())
        else:
            its_zone = UTC if in_utc else zone_of(Property(line.name, line.parameters, text), zone)
            moments.add(to_utc(reading.replace(tzinfo=its_zone)))
    return moments, days


def last_moment(text: str, zone: ZoneInfo) -> datetime:
    """Return the last time that UNTIL allows, in UTC; a date includes that day."""
    reading, in_utc, whole_day = read_time(text, "UNTIL")
    if whole_day:
        reading = datetime.combine(reading, time.max)
    return to_utc(reading.replace(tzinfo=UTC if in_utc else zone))


def to_utc(moment: datetime) -> datetime:
    """Return a time in UTC; one that would leave the range of datetime becomes its first or last one."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # 99991231, which means "without an end", west of Greenwich
        edge = datetime.max if moment.year > 1 else datetime.min
        return edge.replace(tzinfo=UTC)
