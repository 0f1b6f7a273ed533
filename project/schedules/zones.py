"""Time zones by their IANA name, or by their name in Windows and Outlook."""

import re
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from tzlocal.windows_tz import win_tz  # the table of Unicode's CLDR


def find_zone(name: str) -> ZoneInfo:
    """Return the time zone of that name, ignoring case; raise ValueError for an unknown name."""
    known = _names()
    # calendars may put a prefix before the name (RFC 5545, 3.2.19): /mozilla.org/20050126_1/Europe/Paris
    parts = name.strip().lower().split("/")
    candidates = ["/".join(parts[first:]) for first in range(len(parts) if not parts[0] else 1)]
    found = next((known[candidate] for candidate in candidates if candidate in known), None)
    if found is None:
        raise ValueError(f"there is no time zone {name!r}; give its IANA name, such as {_nearest(name)}")
    return ZoneInfo(found)


def _nearest(name: str) -> str:
    """Return the most similar IANA name, as a suggestion."""
    wanted = re.sub(r"\W+", "_", name.lower().rpartition("/")[2])
    cities = {known.rpartition("/")[2]: iana for known, iana in _names().items() if "/" in known}
    nearest = get_close_matches(wanted, cities, n=1, cutoff=0.8)
    return cities[nearest[0]] if nearest else "Europe/Paris"


@cache
def _names() -> dict[str, str]:
    """Return the IANA name for each name in lower case; IANA names take precedence over those of Windows."""
    return {name.lower(): iana for name, iana in win_tz.items()} | {
        name.lower(): name for name in available_timezones()
    }
