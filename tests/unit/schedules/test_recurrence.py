"""Recurrence rules, against the examples of RFC 5545 (3.8.5.3) and dateutil's own expansion."""

import random
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr

from project.schedules.rules import Rule, make_rule

NEW_YORK = ZoneInfo("America/New_York")
START = datetime(1997, 9, 2, 9, tzinfo=NEW_YORK)
BEFORE = START - timedelta(seconds=1)
EXAMPLES = [
    "FREQ=DAILY;COUNT=10",
    "FREQ=DAILY;UNTIL=19971224T000000Z",
    "FREQ=DAILY;INTERVAL=2",
    "FREQ=DAILY;INTERVAL=10;COUNT=5",
    "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
    "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1",
    "FREQ=WEEKLY;COUNT=10",
    "FREQ=WEEKLY;UNTIL=19971224T000000Z",
    "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
    "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
    "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH",
    "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
    "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
    "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
    "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR",
    "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
    "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
    "FREQ=MONTHLY;BYMONTHDAY=-3",
    "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
    "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
    "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
    "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
    "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
    "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
    "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
    "FREQ=YEARLY;BYDAY=20MO",
    "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
    "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
    "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
    "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
    "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
    "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
    "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
    "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z",
    "FREQ=MINUTELY;INTERVAL=15;COUNT=6",
    "FREQ=MINUTELY;INTERVAL=90;COUNT=4",
    "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
    "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16",
    "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
    "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
    "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5",
]


def rule_of(text: str, start: datetime = START) -> Rule:
    """Make a rule that was created just before its start."""
    return make_rule(rrule=text, start=start, timezone="America/New_York", now=start - timedelta(seconds=1))


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_of_the_rfc_fires_when_dateutil_says(text: str) -> None:
    """The first dozen times."""
    expected = [moment.astimezone(UTC) for moment in islice(rrulestr(text, dtstart=START), 12)]
    assert list(islice(rule_of(text).occurrences(BEFORE), 12)) == expected


@pytest.mark.parametrize("text", EXAMPLES)
def test_a_rule_that_is_asked_later_has_the_same_times(text: str) -> None:
    """The start is moved nearer for speed; that must change nothing."""
    rule = rule_of(text)
    moments = list(islice(rule.occurrences(BEFORE), 40))
    for moment, following in pairwise(moments):
        assert rule.next_after(moment) == following


@pytest.mark.parametrize("seed", range(60))
def test_a_rule_made_at_random_fires_when_dateutil_says(seed: int) -> None:
    """In UTC, where no clock is put forward."""
    dice = random.Random(seed)
    freq = dice.choice(["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
    parts = {"INTERVAL": dice.randint(1, 9), "BYDAY": "MO,TH,SU", "BYMONTH": "3,6,9", "BYHOUR": "3,17"}
    if freq == "SECONDLY":  # dateutil would search second by second
        del parts["BYMONTH"]
    chosen = [f"{name}={parts[name]}" for name in parts if dice.random() < 0.4]
    text = ";".join([f"FREQ={freq}", *chosen])
    start = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=dice.randint(0, 10**7))
    far = start + timedelta(days=dice.randint(0, 30))
    rule = make_rule(rrule=text, start=start, now=start - timedelta(seconds=1))
    expected = list(islice(rrulestr(text, dtstart=start).xafter(far), 5))
    assert list(islice(rule.occurrences(far), 5)) == expected


def test_a_rule_can_bring_its_own_start_and_time_zone() -> None:
    """As calendars export it."""
    text = "DTSTART;TZID=Europe/Paris:20300101T090000\nRRULE:FREQ=DAILY;COUNT=2"
    rule = make_rule(rrule=text, now=START)
    assert [str(moment) for moment in rule.occurrences(START)] == [
        "2030-01-01 08:00:00+00:00",
        "2030-01-02 08:00:00+00:00",
    ]


@pytest.mark.parametrize("freq", ["YEARLY", "HOURLY;INTERVAL=8766"])
def test_a_count_that_began_long_ago_is_counted_to_its_end(freq: str) -> None:
    """As a calendar exports a birthday: the search for its times ends fifty years from now, not from the start."""
    now = datetime(2030, 1, 2, tzinfo=UTC)
    rule = make_rule(rrule=f"DTSTART:19700101T000000Z\nRRULE:FREQ={freq};COUNT=100", now=now)
    assert len(list(rule.occurrences(now))) == 39  # in the years from 2031 to 2069
