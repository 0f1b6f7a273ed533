"""After an outage a schedule finds its last missed time quickly, however many it has missed."""

import time
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import pytest

from project.schedules.rules import make_rule
from project.schedules.schedule import Schedule

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def _schedule(**when: Any) -> Schedule:
    rule = make_rule(now=BEGAN, **when)
    return Schedule(
        task="sum",
        arguments={},
        description="",
        rule=rule,
        created_at=BEGAN,
        schedule_id="missed",
        status="active",
        next=rule.next_after(BEGAN),
    )


@pytest.mark.parametrize(
    ("when", "last"),
    [
        ({"every": "1s"}, BEGAN + 16 * DAY),
        ({"rrule": "FREQ=SECONDLY"}, BEGAN + 16 * DAY),
        ({"cron": "* * * * *"}, BEGAN + 16 * DAY),
        ({"rrule": "FREQ=DAILY;BYHOUR=0;BYMINUTE=0;BYSECOND=0"}, BEGAN + 16 * DAY),
    ],
)
def test_a_rule_that_has_ended_during_the_outage_fires_its_last_time(when: dict[str, Any], last: datetime) -> None:
    """It ran for 16 days of 30 without a scheduler, and ends now."""
    schedule, begun = _schedule(**when, until=BEGAN + 16 * DAY), time.thread_time()
    assert schedule.due(BEGAN + 30 * DAY) == ([last], [])
    assert time.thread_time() - begun < 1


@pytest.mark.parametrize(
    "text",
    [
        "DTSTART:20260301T000000Z\nRRULE:FREQ=MINUTELY;UNTIL=20260303T101112Z\nRDATE:20260304T000000Z",
        "DTSTART:20260301T000000Z\nRRULE:FREQ=MINUTELY;UNTIL=20260303T101112Z\nEXDATE;VALUE=DATE:20260303",
        "DTSTART:20260301T000000Z\nRRULE:FREQ=MINUTELY;BYHOUR=3",
        "DTSTART:20260301T000000Z\nRRULE:FREQ=WEEKLY;BYDAY=MO;BYHOUR=3,4,5",
    ],
)
@pytest.mark.parametrize("days", [1.3, 1.9, 3.3, 8.4, 25])
def test_the_last_missed_time_is_the_last_one_of_all(text: str, days: float) -> None:
    """Also if times are dense, rare, left out or added after the end of the rule."""
    schedule, now = _schedule(rrule=text), BEGAN + days * DAY
    *_, last = takewhile(lambda moment: moment <= now, schedule.rule.occurrences(BEGAN))
    assert schedule.due(now)[0] == [last]
