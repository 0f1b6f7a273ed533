"""What calendars write around a rule: folded lines, EXDATE and RDATE, dates without a time, and their names of time zones."""

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
from dateutil.rrule import rrulestr

from project.schedules.errors import InvalidSchedule
from project.schedules.rules import make_rule
from project.schedules.zones import find_zone

NOW = datetime(2029, 12, 31, tzinfo=UTC)


def _times(rrule: str, **given: Any) -> list[str]:
    """Return the first seven times, in UTC, without the zeros at their end."""
    rule = make_rule(rrule=rrule, now=NOW, **given)
    return [f"{moment:%m-%dT%H:%M}" for moment in islice(rule.occurrences(NOW), 7)]


NINE = "DTSTART:20300101T090000Z\nRRULE:FREQ=DAILY;"


@pytest.mark.parametrize(
    ("rrule", "timezone", "days"),
    [
        (NINE + "UNTIL=20300103", "UTC", ["01", "02", "03"]),
        (NINE + "UNTIL=20300103T085959Z", "UTC", ["01", "02"]),
        (NINE + "COUNT=3\nEXDATE:20300102T090000Z", "UTC", ["01", "03"]),
        (NINE + "COUNT=4\nEXDATE:20300102T090000Z,20300104T090000Z", "UTC", ["01", "03"]),
        (NINE + "COUNT=4\nEXDATE:20300102T090000Z\nEXDATE:20300103T090000Z", "UTC", ["01", "04"]),
        (NINE + "COUNT=3\nEXDATE;VALUE=DATE:20300102", "UTC", ["01", "03"]),
        (NINE + "COUNT=3\nEXDATE;VALUE=DATE-TIME:20300102T090000Z", "UTC", ["01", "03"]),
        (NINE + "COUNT=3\nEXDATE:20300102T100000Z", "UTC", ["01", "02", "03"]),
        (NINE + "COUNT=3\nEXDATE;TZID=Europe/Paris:20300102T100000", "UTC", ["01", "03"]),
        (NINE + "COUNT=2\nRDATE:20300105T090000Z", "UTC", ["01", "02", "05"]),
        (NINE + "UNTIL=20300102\nRDATE;VALUE=DATE:20300105,20300101", "UTC", ["01", "02", "05"]),
        (NINE + "COUNT=2\nRDATE:20300105T090000Z\nEXDATE:20300105T090000Z", "UTC", ["01", "02"]),
        ("DTSTART:20300101T100000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20300102T100000", "Europe/Paris", ["01", "03"]),
    ],
)  # fmt: skip
def test_the_days_are_those_of_the_calendar(rrule: str, timezone: str, days: list[str]) -> None:
    """COUNT counts what EXDATE leaves out; a date as UNTIL includes that day."""
    assert _times(rrule, timezone=timezone) == [f"01-{day}T09:00" for day in days]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
def test_a_date_as_until_includes_its_last_second_where_the_rule_is(zone: str) -> None:
    """The day ends in the rule's time zone."""
    rule = "DTSTART:20300101T235959\nRRULE:FREQ=DAILY;UNTIL=20300103"
    assert len(_times(rule, timezone=zone)) == 3


@pytest.mark.parametrize(
    "rrule",
    [
        "DTSTART:20300101T090000Z\r\nRRULE:FREQ=WEEKLY;COUNT=4;BY\r\n DAY=MO,TU,\r\n\tTH\r\nEXDATE:20300103T0900\r\n 00Z\r\n",
        "DTSTART:20300101T090000Z\nRRULE:FREQ=WEEKLY;COUNT=4;\n  BYDAY=MO,TU,TH\nEXDATE:20300103T090000Z",
        "\n    DTSTART:20300101T090000Z\n    RRULE:FREQ=WEEKLY;COUNT=4;BYDAY=MO,TU,TH\n    EXDATE:20300103T090000Z\n",
        "dtstart:20300101t090000z\nrrule:freq=weekly;count=4;byday=mo,tu,th\nexdate:20300103t090000z",
        "DTSTART:20300101T090000Z RRULE:FREQ=WEEKLY;COUNT=4;BYDAY=MO,TU,TH EXDATE:20300103T090000Z",
        'DTSTART;TZID="Etc/UTC":20300101T090000\nFREQ=WEEKLY;COUNT=4;BYDAY=MO,TU,TH\nEXDATE;X-A="b;c":20300103T090000Z',
    ],
    ids=["folded", "folded with blanks", "indented", "lowercase", "one line", "quoted"],
)
def test_lines_are_read_in_any_folding_and_case(rrule: str) -> None:
    """RFC 5545, 3.1: lines end with CRLF and may be folded; what JSON and code make of them is read too."""
    assert _times(rrule) == ["01-01T09:00", "01-07T09:00", "01-08T09:00"]


def test_a_start_without_a_time_is_midnight() -> None:
    """Of all-day events, in the rule's time zone."""
    rule = "DTSTART;VALUE=DATE:20300101\nRRULE:FREQ=DAILY;UNTIL=20300102"
    assert _times(rule, timezone="Europe/Paris") == ["12-31T23:00", "01-01T23:00"]


def test_a_leap_day_comes_in_leap_years() -> None:
    """As RFC 5545 says: years without one are left out."""
    rule = make_rule(rrule="DTSTART:20320229T090000Z\nRRULE:FREQ=YEARLY;UNTIL=20400229", now=NOW)
    assert [moment.year for moment in rule.occurrences(NOW)] == [2032, 2036, 2040]


@pytest.mark.parametrize("seed", range(3))
def test_the_times_are_those_that_dateutil_expands(seed: int) -> None:
    """A rule with many EXDATE and RDATE, from several places in it."""
    out = ",".join(f"203001{day:02}T090000Z" for day in range(1 + seed, 29, 3))
    more = ",".join(f"203001{day:02}T{10 + seed}3000Z" for day in range(2, 29, 5))
    text = f"{NINE}COUNT=20\nEXDATE:{out}\nRDATE:{more}"
    rule, expected = make_rule(rrule=text, now=NOW), list(rrulestr(text))
    assert list(rule.occurrences(NOW)) == expected
    for after in (expected[3], expected[-2], expected[-1]):
        assert list(rule.occurrences(after)) == [moment for moment in expected if moment > after]


@pytest.mark.parametrize(
    ("name", "iana"),
    [
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("pacific standard time", "America/Los_Angeles"),
        ("UTC", "UTC"),
        ("europe/paris", "Europe/Paris"),
        ("/mozilla.org/20050126_1/Europe/Paris", "Europe/Paris"),
        ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
    ],
)
def test_a_time_zone_may_have_the_name_of_windows(name: str, iana: str) -> None:
    """It is accepted as TZID, quoted or not, and as the timezone of a cron rule."""
    assert find_zone(name).key == iana
    for tzid in (name, f'"{name}"'):
        rule = make_rule(rrule=f"DTSTART;TZID={tzid}:20300101T090000\nRRULE:FREQ=DAILY", now=NOW)
        assert rule.timezone == iana
    assert make_rule(cron="0 9 * * *", timezone=name, now=NOW).timezone == iana


@pytest.mark.parametrize(
    ("rrule", "why"),
    [
        (NINE + "UNTIL=20300229", "UNTIL: there is no such day or time: 20300229"),
        ("DTSTART:20300229T090000\nRRULE:FREQ=DAILY", "DTSTART: there is no such day or time: 20300229T090000"),
        (NINE + "COUNT=2\nEXDATE:tomorrow", "EXDATE looks like 20300101T090000 or 20300101, not 'TOMORROW'"),
        (NINE + "COUNT=2\nEXRULE:FREQ=WEEKLY", "EXRULE is not supported, RFC 5545 has removed it; list the times to leave out as EXDATE"),
        (NINE + "COUNT=2\nRDATE;VALUE=PERIOD:20300101T090000Z/PT1H", "RDATE has dates or times, not PERIOD"),
        (NINE + "COUNT=2\nSUMMARY:Homework", "SUMMARY is not known; a recurrence is made of DTSTART, RRULE, EXDATE, RDATE"),
        (NINE + "COUNT=1\nEXDATE:20300101T090000Z", "it never fires: the first time would be after 2030-01-01T09:00:00+00:00, or all times are in the past or in EXDATE"),
        ("DTSTART;TZID=Europe/Paris:20300101T090000Z\nRRULE:FREQ=DAILY", "DTSTART has a TZID and a time in UTC; remove the TZID or the Z"),
        ("DTSTART;TZID=Customized Time Zone:20300101T090000\nRRULE:FREQ=DAILY", "there is no time zone 'CUSTOMIZED TIME ZONE'; give its IANA name, such as Europe/Paris"),
        ("DTSTART;TZID=Berlin:20300101T090000\nRRULE:FREQ=DAILY", "there is no time zone 'BERLIN'; give its IANA name, such as Europe/Berlin"),
        ("RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY", "one RRULE is needed, such as FREQ=DAILY;BYHOUR=9, with a DTSTART or without"),
    ],
)  # fmt: skip
def test_an_invalid_recurrence_is_rejected_with_the_reason(rrule: str, why: str) -> None:
    """The message names the line and what to write instead."""
    with pytest.raises(InvalidSchedule) as caught:
        make_rule(rrule=rrule, now=NOW)
    assert (caught.value.field, caught.value.message) == ("rrule", why)
