"""Durations as people write them: 30s, 1h30m, PT5M."""

import re
from datetime import timedelta

_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_ISO = re.compile(rf"P(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?", re.IGNORECASE)
_ISO_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SHORT = re.compile(rf"{_NUMBER}(ms|[smhdw])")


def parse_duration(text: str) -> timedelta:
    """Return the duration; raise ValueError if it is invalid or has no fixed length."""
    text = text.strip()
    if re.match(rf"P{_NUMBER}[YM]", text, re.IGNORECASE):
        raise ValueError("years and months have no fixed length; use rrule or cron for them")
    parts = _iso(text) if text[:1] in ("P", "p") else _short(text)
    if not parts:
        raise ValueError("write it like 30s, 5m, 1h30m or, as ISO 8601 has it, PT5M")
    try:
        return timedelta(**parts)
    except OverflowError:
        raise ValueError("that is longer than calendars reach") from None


def _iso(text: str) -> dict[str, float]:
    match = _ISO.fullmatch(text)
    values = zip(_ISO_UNITS, match.groups() if match else (), strict=False)
    return {unit: float(value) for unit, value in values if value is not None}


def _short(text: str) -> dict[str, float]:
    if not re.fullmatch(rf"(?:{_SHORT.pattern})+", text):
        return {}
    parts = dict.fromkeys(_UNITS.values(), 0.0)
    for value, unit in _SHORT.findall(text):
        parts[_UNITS[unit]] += float(value)
    return parts
