"""Rules with times that take long to find delay neither clients nor other schedules."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery

from project.api.schedule_models import ScheduleOut, SchedulePage
from project.schedules.cpu_limit import TooSlow, cpu_limit
from project.schedules.errors import InvalidSchedule
from project.schedules.rules import make_rule
from project.schedules.schedule import KNOWN, Definition, Schedule, upcoming
from project.schedules.store import Store
from project.schedules.task_scheduler import TaskScheduler
from tests.integration.schedules.conftest import Jobs, StartScheduler
from tests.support.processes import RedisServer
from tests.support.wait import wait_until

EACH_MINUTE = f"BYHOUR={','.join(map(str, range(24)))};BYMINUTE={','.join(map(str, range(60)))}"
RARE = "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=29;BYHOUR=3;BYMINUTE=7"


@pytest.mark.parametrize(
    "text",
    [
        f"DTSTART:16000101T000000Z RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;{EACH_MINUTE}",
        f"FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;{EACH_MINUTE};BYSECOND=0,1,2,3,4,5,6,7,8,9",
        f"FREQ=YEARLY;BYDAY=MO;{EACH_MINUTE};BYSECOND={','.join(map(str, range(60)))};BYSETPOS=-1",
        "FREQ=DAILY;INTERVAL=7;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
        "FREQ=SECONDLY;BYHOUR=0;BYMINUTE=0;BYSECOND=0;COUNT=10000",
    ],
)
def test_an_expensive_rule_is_rejected_quickly(text: str) -> None:
    """Within 2 s of CPU time; without a limit the first takes minutes."""
    begun = time.thread_time()
    with pytest.raises(InvalidSchedule) as refused:
        make_rule(rrule=text)
    assert time.thread_time() - begun < 2
    assert refused.value.field == "rrule"


def test_a_search_is_interrupted_and_leaves_no_profile_function() -> None:
    """What comes after it is not slowed down, and a profiler that ran before goes on."""
    rule = make_rule(rrule=RARE)
    with pytest.raises(TooSlow), cpu_limit(0.02):
        list(rule.occurrences(datetime.now(UTC)))
    assert upcoming(rule, datetime.now(UTC), seconds=0) == []
    deep = make_rule(cron="0 9 * * *")
    assert len(upcoming(deep, datetime.now(UTC), seconds=5)) == KNOWN


def test_a_time_that_has_just_come_is_still_the_next_one() -> None:
    """A schedule that fires every second is shown just after its first time, before the scheduler has fired it."""
    began = datetime.now(UTC) - timedelta(seconds=2)
    rule = make_rule(rrule="FREQ=SECONDLY;COUNT=60", now=began)
    first, *later = upcoming(rule, began)
    definition = {"task": "sum", "arguments": {"number": 1}, "description": "", "rule": rule, "created_at": began}
    schedule = Schedule(**definition, schedule_id="each-second", status="active", next=first, later=later)
    shown = ScheduleOut.of(schedule)
    assert shown.next == shown.upcoming[0] == first < datetime.now(UTC)
    assert len(shown.upcoming) == KNOWN


def test_a_list_of_200_expensive_rules_is_quick_and_has_their_next_times(scheduler: TaskScheduler) -> None:
    """They were found when the schedule was made; a cheap one among them shows all five."""
    now = datetime.now(UTC)
    definition = Definition(
        task="sum", arguments={"number": 1}, description="", rule=make_rule(rrule=RARE, now=now), created_at=now
    )
    draft = scheduler.draft(definition)
    for number in range(199):
        scheduler.keep(draft.model_copy(update={"schedule_id": f"rare-{number}"}))
    scheduler.schedule("sum", "often", kwargs={"number": 1}, cron="0 9 * * *")
    begun = time.thread_time()
    page = SchedulePage.of(*scheduler.page(200))
    assert time.thread_time() - begun < 2
    assert len(page.schedules) == 200
    assert all(schedule.status == "active" and schedule.next == schedule.upcoming[0] for schedule in page.schedules)
    assert [len(schedule.upcoming) for schedule in page.schedules if schedule.cron] == [5]


def test_times_that_are_known_are_fired_without_a_search(app: Celery, scheduler: TaskScheduler) -> None:
    """And the schedule goes on with those that are left; each firing adds what is found at once."""
    schedule_id = scheduler.schedule("sum", "", kwargs={"number": 1}, every="1h")
    schedule = scheduler.look_up(schedule_id)
    assert schedule.next and len(schedule.later) == KNOWN
    moments, coming = schedule.due(schedule.next)
    assert moments == [schedule.next]
    assert coming[:KNOWN] == schedule.later
    assert Store(app).advance(schedule, coming, moments, ["job"])
    again = scheduler.look_up(schedule_id)
    assert [again.next, *again.later] == coming
    scheduler.pause(schedule_id)
    assert scheduler.resume(schedule_id).coming[0] == schedule.next


def test_a_schedule_of_an_older_version_fires(
    scheduler: TaskScheduler, server: RedisServer, start: StartScheduler, jobs: Jobs
) -> None:
    """It has no times after the next one."""
    schedule_id = scheduler.schedule("sum", "", kwargs={"number": 1}, every="1s")
    server.client.hdel(f"schedules:{schedule_id}", "times")
    assert scheduler.look_up(schedule_id).later == []
    start("one")
    wait_until(lambda: len(jobs.ids()) > 1)
    assert scheduler.look_up(schedule_id).later


def test_a_sweep_fires_other_schedules_before_it_searches(
    scheduler: TaskScheduler, start: StartScheduler, jobs: Jobs
) -> None:
    """Thirty expensive rules have been due for longer."""
    now = datetime.now(UTC)
    rules = [make_rule(rrule=RARE, now=now)] * 30 + [make_rule(every="1h", now=now)]
    kept = [
        Schedule(
            task="sum",
            arguments={"number": 1},
            description="",
            rule=rule,
            created_at=now,
            schedule_id=f"{rule.kind}-{number}",
            status="active",
            next=now if rule.kind == "every" else now - timedelta(seconds=1),
        )
        for number, rule in enumerate(rules)
    ]
    for schedule in kept:
        scheduler.keep(schedule)
    start("one")
    wait_until(lambda: len(jobs.ids()) == len(rules), 60)
    assert jobs.ids()[0] == kept[-1].job_id(now)
