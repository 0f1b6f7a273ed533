"""Rules: when they fire, and which are rejected with which message."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from time import thread_time
from typing import Any

import pytest

from project.schedules.errors import InvalidSchedule
from project.schedules.rules import make_rule

NOW = datetime(2030, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)


def times(count: int = 4, after: datetime = NOW, **given: Any) -> list[str]:
    """Return the first times at which a rule fires."""
    rule = make_rule(now=after, **given)
    return [f"{moment:%m-%d %H:%M:%S}".removesuffix(":00") for moment in islice(rule.occurrences(after), count)]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("* * * * *", ["01-01 12:01", "01-01 12:02"]),
        ("*/20 * * * *", ["01-01 12:20", "01-01 12:40"]),
        ("5,10-12 13 * * *", ["01-01 13:05", "01-01 13:10", "01-01 13:11", "01-01 13:12", "01-02 13:05"]),
        ("0 9 * * mon-fri", ["01-02 09:00", "01-03 09:00", "01-04 09:00", "01-07 09:00"]),
        ("0 0 * * 7", ["01-06 00:00", "01-13 00:00"]),
        ("0 0 13 * fri", ["01-04 00:00", "01-11 00:00", "01-13 00:00", "01-18 00:00"]),
        ("0 0 30 2 mon", ["02-04 00:00", "02-11 00:00", "02-18 00:00", "02-25 00:00", "02-03 00:00"]),
        ("30 4 1 jan,jul ?", ["07-01 04:30", "01-01 04:30"]),
        ("0 0 10/10 * *", ["01-10 00:00", "01-20 00:00", "01-30 00:00", "02-10 00:00"]),
        ("@hourly", ["01-01 13:00", "01-01 14:00"]),
        ("@daily", ["01-02 00:00", "01-03 00:00"]),
        ("@weekly", ["01-06 00:00", "01-13 00:00"]),
        ("@monthly", ["02-01 00:00", "03-01 00:00"]),
        ("@yearly", ["01-01 00:00"]),
    ],
)
def test_cron_fires_as_crontab_says(cron: str, expected: list[str]) -> None:
    """Ranges, lists, steps, names and macros; a day of the month or of the week, if both are given."""
    assert times(len(expected), cron=cron) == expected


@pytest.mark.parametrize(
    ("every", "seconds"),
    [("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), ("PT5M", 300), ("P1DT1H", 90_000), ("p1w", 604_800)],
)
def test_every_fires_a_duration_after_its_start(every: str, seconds: int) -> None:
    """Short or as ISO 8601 has it; counted from the first full second."""
    rule = make_rule(every=every, now=NOW)
    start = NOW + timedelta(milliseconds=500)
    assert list(islice(rule.occurrences(NOW), 2)) == [start + timedelta(seconds=n * seconds) for n in (1, 2)]


def test_trigger_at_fires_once() -> None:
    """At that moment, to the microsecond."""
    moment = NOW + timedelta(microseconds=1)
    assert list(make_rule(trigger_at=moment, now=NOW).occurrences(NOW)) == [moment]


def test_nothing_fires_after_until() -> None:
    """A time at that very moment counts."""
    assert times(cron="0 * * * *", until=datetime(2030, 1, 1, 14, tzinfo=UTC)) == ["01-01 13:00", "01-01 14:00"]


def test_less_than_a_second_is_allowed_until_an_end() -> None:
    """Without an end, it could keep firing unnoticed."""
    until = NOW + timedelta(seconds=2)
    rule = make_rule(every="500ms", until=until, now=NOW)
    assert len(list(rule.occurrences(NOW))) == 3


@pytest.mark.parametrize(
    ("rule", "spring", "autumn"),
    [
        # 31 March 2030 and 27 October 2030 in Paris: 2 o'clock becomes 3, and 3 becomes 2
        ({"cron": "30 2 * * *"}, ["03-30 01:30", "03-31 01:30", "04-01 00:30"], ["10-26 00:30", "10-27 00:30"]),
        ({"rrule": "FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0"}, ["03-30 08:00", "03-31 07:00"], ["10-26 07:00", "10-27 08:00"]),
        ({"cron": "30 * 31 3 *"}, ["03-30 23:30", "03-31 00:30", "03-31 01:30", "03-31 02:30"], []),
        ({"cron": "30 * 27 10 *"}, [], ["10-26 22:30", "10-26 23:30", "10-27 00:30", "10-27 01:30", "10-27 02:30"]),
        ({"rrule": "FREQ=HOURLY;BYMONTH=10;BYMONTHDAY=27;BYMINUTE=30;BYSECOND=0"}, [], ["10-26 22:30", "10-26 23:30", "10-27 00:30", "10-27 01:30", "10-27 02:30"]),
    ],
)  # fmt: skip
def test_local_time_counts_when_dst_begins_or_ends(rule: dict[str, str], spring: list[str], autumn: list[str]) -> None:
    """A rule with a fixed hour fires once a day at that local hour; one that fires all day fires at each local time."""
    begin = {"03": datetime(2030, 3, 29, 12, tzinfo=UTC), "10": datetime(2030, 10, 25, 12, tzinfo=UTC)}
    for expected in filter(None, (spring, autumn)):
        after = begin["10" if expected is autumn else "03"]
        assert times(len(expected), after, timezone="Europe/Paris", **rule) == expected


@pytest.mark.parametrize(
    ("given", "field", "why"),
    [
        ({}, "rrule", "one of rrule, cron, every and trigger_at is needed"),
        ({"cron": "* * * * *", "every": "1m"}, "every", "cron is given already"),
        ({"trigger_at": NOW - timedelta(1)}, "trigger_at", "in the past"),
        ({"trigger_at": datetime(2031, 1, 1)}, "trigger_at", "needs a time zone"),
        ({"every": "1m", "until": NOW - timedelta(1)}, "until", "in the past"),
        ({"every": "1h", "until": NOW + timedelta(seconds=5)}, "every", "it never fires: the first time would be after"),
        ({"every": "500ms"}, "every", "give until"),
        ({"every": "1ms", "until": NOW + timedelta(1)}, "every", "shorter than 10 ms"),
        ({"every": "0s"}, "every", "shorter than 10 ms"),
        ({"every": "P1M"}, "every", "no fixed length"),
        ({"every": "often"}, "every", "write it like 30s"),
        ({"every": "P"}, "every", "write it like 30s"),
        ({"every": "99999999999w"}, "every", "longer than calendars reach"),
        ({"every": "٣s"}, "every", "write it like 30s"),
        ({"every": "PT٣S"}, "every", "write it like 30s"),
        ({"cron": "٣ * * * *"}, "cron", "'٣' is not a minute"),
        ({"rrule": "FREQ=DAILY;COUNT=٣"}, "rrule", "COUNT is 1 to 10000"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=٣MO"}, "rrule", "BYDAY is made of"),
        ({"rrule": "FREQ=DAILY;UNTIL=٢٠٤٠٠١٠١"}, "rrule", "UNTIL looks like"),
        ({"cron": "* * * *"}, "cron", "five fields"),
        ({"cron": "60 * * * *"}, "cron", "'60' is not a minute: 0 to 59"),
        ({"cron": "* * * * lun"}, "cron", "'lun' is not a day of week"),
        ({"cron": "*/0 * * * *"}, "cron", "'*/0' is not a minute: the step must be at least 1"),
        ({"cron": "0 0 30 2 *"}, "cron", "it never fires"),
        ({"cron": "@reboot"}, "cron", "@reboot is not one of @yearly"),
        ({"rrule": "BYDAY=MO"}, "rrule", "FREQ is needed"),
        ({"rrule": "FREQ=DAILY;COUNT=1;UNTIL=20310101T000000Z"}, "rrule", "COUNT and UNTIL exclude each other"),
        ({"rrule": "FREQ=DAILY;INTERVAL=0"}, "rrule", "INTERVAL is 1 to 1000000"),
        ({"rrule": "FREQ=DAILY;BYHOUR=25"}, "rrule", "BYHOUR is 0 to 23"),
        ({"rrule": "FREQ=DAILY;BYDAY=XX"}, "rrule", "BYDAY is made of"),
        ({"rrule": "FREQ=WEEKLY;BYDAY=1MO"}, "rrule", "BYDAY has a number only with"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=0MO"}, "rrule", "BYDAY has the numbers 1 to 5 and -1 to -5 here, not 0"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=1MO,7MO"}, "rrule", "BYDAY has the numbers 1 to 5 and -1 to -5 here, not 7"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=99MO"}, "rrule", "BYDAY has the numbers 1 to 5"),
        ({"rrule": "FREQ=YEARLY;BYMONTH=12;BYDAY=-9MO"}, "rrule", "BYDAY has the numbers 1 to 5"),
        ({"rrule": "FREQ=YEARLY;BYDAY=-99MO"}, "rrule", "BYDAY has the numbers 1 to 53"),
        ({"rrule": "FREQ=DAILY;FREQ=WEEKLY"}, "rrule", "FREQ occurs twice"),
        ({"rrule": "DTSTART:20300101\nDTSTART:20300102\nRRULE:FREQ=DAILY"}, "rrule", "DTSTART occurs twice"),
        ({"rrule": "FREQ=DAILY;BYMOON=1"}, "rrule", "BYMOON is not known"),
        ({"rrule": "FREQ=MONTHLY;BYSETPOS=1"}, "rrule", "BYSETPOS needs another BY part"),
        ({"rrule": "FREQ=SECONDLY;BYDAY=MO;BYSETPOS=2"}, "rrule", "there is no position 2 among 1"),
        ({"rrule": "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"}, "rrule", "no year has such a day"),
        ({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "rrule", "it never fires"),
        ({"rrule": "FREQ=MINUTELY;INTERVAL=7;BYHOUR=0;BYMINUTE=1;BYDAY=MO"}, "rrule", "BY parts do not meet"),
        ({"rrule": "FREQ=SECONDLY;INTERVAL=86400;BYHOUR=5"}, "rrule", "BY parts do not meet"),
        ({"rrule": "FREQ=SECONDLY;BYHOUR=0;BYMINUTE=0;BYSECOND=0;COUNT=10000"}, "rrule", "too long to find"),
        ({"rrule": "FREQ=SECONDLY;BYHOUR=0;BYMONTH=2;BYMONTHDAY=29"}, "rrule", "second by second"),
        ({"rrule": "DTSTART:20300101T100000Z\nRRULE:FREQ=MINUTELY;INTERVAL=1440;BYHOUR=5", "until": NOW + timedelta(9)}, "rrule", "BY parts do not meet"),
        ({"rrule": "FREQ=DAILY;UNTIL=20200101T000000Z"}, "rrule", "it never fires"),
        ({"rrule": "FREQ=DAILY;UNTIL=tomorrow"}, "rrule", "UNTIL looks like"),
        ({"rrule": "FREQ=DAILY;COUNT=3", "until": NOW + timedelta(9)}, "until", "has an UNTIL or COUNT already"),
        ({"rrule": "FREQ=DAILY;UNTIL=20309999T000000Z"}, "rrule", "there is no such day or time"),
        ({"rrule": "EXDATE:20300102T000000Z"}, "rrule", "one RRULE is needed"),
        ({"rrule": "FREQ=DAILY;COUNT=2\nRDATE:99991231T235959Z", "timezone": "Asia/Tokyo"}, "rrule", "the year must be between"),
        ({"every": "1m", "timezone": "Mars/Olympus"}, "timezone", "there is no time zone"),
    ],
)  # fmt: skip
def test_an_invalid_rule_is_rejected_with_its_field_and_the_reason(given: dict[str, Any], field: str, why: str) -> None:
    """Before anything is stored, and before anybody has waited for long."""
    begun = thread_time()
    with pytest.raises(InvalidSchedule) as refused:
        make_rule(now=NOW, **given)
    assert thread_time() - begun < 5  # seconds; without a limit they take minutes
    assert refused.value.field == field
    assert why in refused.value.message
