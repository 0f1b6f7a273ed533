"""Schedulers fire each time once and leave none out, whichever process crashes."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery

from project.api.schedule_models import ScheduleOut, SchedulePage
from project.errors import UnknownSchedule
from project.schedules.beat import BATCH
from project.schedules.errors import InvalidSchedule
from project.schedules.schedule import Schedule
from project.schedules.task_scheduler import TaskScheduler
from tests.integration.schedules.conftest import Jobs, StartScheduler
from tests.support.processes import RedisServer
from tests.support.wait import wait_until

SECOND = timedelta(seconds=1)


def expected(schedule: Schedule, until: datetime) -> list[str]:
    """Return the ids of the jobs of all times from the start to a moment."""
    moments = schedule.rule.occurrences(schedule.created_at)
    found = []
    for moment in moments:
        if moment > until:
            break
        found.append(schedule.job_id(moment))
    return found


@pytest.mark.heavy  # measures a time
def test_a_new_schedule_fires_soon_after_its_time(start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs) -> None:
    """Though the scheduler knew nothing of it before."""
    one = start("one")
    wait_until(lambda: one.leads)
    due = datetime.now(UTC) + SECOND
    schedule_id = scheduler.schedule("sum", "once", kwargs={"number": 1}, trigger_at=due)
    wait_until(jobs.ids)
    assert -0.001 <= jobs.submitted_at(jobs.ids()[0]) - due.timestamp() < 3  # rounded to milliseconds
    wait_until(lambda: scheduler.look_up(schedule_id).status == "ended")
    ended = scheduler.look_up(schedule_id)
    assert (ended.status, ended.fired_count, ended.job_ids) == ("ended", 1, jobs.ids())


@pytest.mark.heavy
def test_no_time_is_fired_twice_or_left_out_when_the_leader_is_killed(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs
) -> None:
    """Two hundred times, and kill -9 in the middle of them."""
    first, second = start("first"), start("second")
    until = datetime.now(UTC) + 10 * SECOND
    schedule_id = scheduler.schedule("sum", "often", kwargs={"number": 1}, every="50ms", until=until)
    wait_until(lambda: len(jobs.ids()) > 40)
    leader, other = (first, second) if first.leads else (second, first)
    leader.kill()
    wait_until(lambda: other.leads)
    wait_until(lambda: scheduler.look_up(schedule_id).status == "ended")
    assert jobs.ids() == expected(scheduler.look_up(schedule_id), until)


@pytest.mark.heavy
def test_no_time_is_fired_twice_or_left_out_when_redis_is_killed(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs, server: RedisServer
) -> None:
    """It keeps the schedules, and the scheduler catches up on the times that it missed."""
    one = start("one")
    until = datetime.now(UTC) + 6 * SECOND
    schedule_id = scheduler.schedule("sum", "often", kwargs={"number": 1}, every="50ms", until=until)
    wait_until(lambda: len(jobs.ids()) > 20)
    server.kill()
    wait_until(lambda: "Redis does not respond" in one.log.read_text())
    server.start()
    wait_until(lambda: scheduler.look_up(schedule_id).status == "ended")
    assert jobs.ids() == expected(scheduler.look_up(schedule_id), until)


def test_a_time_whose_job_was_admitted_just_before_the_scheduler_died_is_not_fired_again(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs, app: Celery
) -> None:
    """The next scheduler finds the job and moves on."""
    schedule_id = scheduler.schedule("sum", "often", kwargs={"number": 1}, rrule_string="FREQ=SECONDLY;COUNT=2")
    schedule = scheduler.look_up(schedule_id)
    assert schedule.next
    app.tasks["sum"].apply_async(kwargs={"number": 1}, task_id=schedule.job_id(schedule.next))
    start("one")
    wait_until(lambda: scheduler.look_up(schedule_id).status == "ended")
    assert jobs.ids() == expected(schedule, datetime.now(UTC))


def _make_due(redis: Any, schedule_ids: list[str]) -> None:
    """Move the next times of schedules to the last minute, in the order of the ids."""
    due = datetime.now(UTC) - timedelta(minutes=1)
    for number, schedule_id in enumerate(schedule_ids):
        key, moment = f"schedules:{schedule_id}", due + timedelta(milliseconds=number)
        redis.hset(key, "next", moment.isoformat())
        redis.zadd("schedules::schedule", {key: moment.timestamp()})


@pytest.mark.parametrize(("catch_up", "count"), [("none", 0), ("last", 1), ("all", 24)])
def test_catch_up_decides_which_missed_times_are_fired(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs, server: RedisServer, catch_up: Any, count: int
) -> None:
    """Nothing, the last time, or all of them."""
    began = datetime.now(UTC) - timedelta(days=1, minutes=30)  # no time is due while the test runs
    schedule_id = scheduler.schedule("sum", "hourly", kwargs={"number": 1}, every="1h", start=began, catch_up=catch_up)
    key, missed = f"schedules:{schedule_id}", began + timedelta(hours=1)
    server.client.hset(key, "next", missed.isoformat())
    server.client.zadd("schedules::schedule", {key: missed.timestamp()})
    start("one")
    wait_until(lambda: (scheduler.look_up(schedule_id).next or began) > datetime.now(UTC))
    fired = scheduler.look_up(schedule_id)
    assert fired.fired_count == count
    assert len(jobs.ids()) == fired.fired_count


@pytest.mark.heavy
def test_a_paused_schedule_fires_again_when_it_is_resumed(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs
) -> None:
    """The times that it missed while it was paused are not caught up on."""
    start("one")
    schedule_id = scheduler.schedule("sum", "often", kwargs={"number": 1}, every="1s")
    wait_until(lambda: scheduler.look_up(schedule_id).fired_count > 1)
    assert scheduler.pause(schedule_id).status == "paused"
    paused = time.time()
    wait_until(lambda: time.time() > paused + 1)  # one may have been about to fire
    fired = scheduler.look_up(schedule_id).fired_count
    wait_until(lambda: time.time() > paused + 6)
    assert scheduler.look_up(schedule_id).fired_count == fired
    assert scheduler.resume(schedule_id).status == "active"
    wait_until(lambda: scheduler.look_up(schedule_id).fired_count > fired)
    assert scheduler.look_up(schedule_id).fired_count <= fired + 4  # six, had the pause been made up for


def test_a_schedule_can_be_fired_now_and_be_deleted(scheduler: TaskScheduler, jobs: Jobs) -> None:
    """Its job waits; the schedule is unknown afterwards."""
    schedule_id = scheduler.schedule("sum", "rarely", args=[7], cron="@yearly")
    task, job_id = scheduler.run(schedule_id)
    assert (task, jobs.ids()) == ("sum", [job_id])
    scheduler.delete(schedule_id)
    for call in (scheduler.look_up, scheduler.delete, scheduler.run, scheduler.pause):
        with pytest.raises(UnknownSchedule):
            call(schedule_id)


def test_schedules_are_listed_by_pages_the_newest_first(scheduler: TaskScheduler) -> None:
    """With a cursor, until the end."""
    made = [scheduler.schedule("sum", f"{n}", args=[n], cron="@yearly") for n in range(5)]
    first, cursor = scheduler.page(3)
    second, end = scheduler.page(3, cursor)
    assert [schedule.schedule_id for schedule in [*first, *second]] == made[::-1]
    assert end is None


def test_a_list_leaves_out_long_arguments(scheduler: TaskScheduler) -> None:
    """A page of 200 schedules could have hundreds of megabytes; the schedule itself shows them."""
    short_id, long_id = (
        scheduler.schedule("wait_and_return", "", kwargs={"message": "x" * size}, every="1h") for size in (2000, 3000)
    )
    long, short = SchedulePage.of(*scheduler.page(2)).model_dump(by_alias=True)["schedules"]
    assert (long["schedule_id"], short["schedule_id"]) == (long_id, short_id)
    assert (long["kwargs"], long["omitted"]) == (None, ["kwargs"])
    assert (short["kwargs"], "omitted" in short) == ({"message": "x" * 2000}, False)
    assert ScheduleOut.of(scheduler.find(long_id)).arguments == {"message": "x" * 3000}


def test_a_schedule_that_cannot_run_is_rejected_when_it_is_created(scheduler: TaskScheduler) -> None:
    """Not when it fires."""
    with pytest.raises(InvalidSchedule, match="task: there is no task 'nap'"):
        scheduler.schedule("nap", "", every="1h")
    with pytest.raises(InvalidSchedule, match="kwargs: missing a required argument: 'number'"):
        scheduler.schedule("sum", "", every="1h")
    with pytest.raises(InvalidSchedule, match="kwargs: got an unexpected keyword argument 'n'"):
        scheduler.schedule("sum", "", kwargs={"number": 1, "n": 2}, every="1h")


def test_a_removed_task_does_not_stop_other_schedules(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs, server: RedisServer
) -> None:
    """The log says what is wrong; its own schedules end without having fired."""
    soon = datetime.now(UTC) + SECOND
    often = scheduler.schedule("sum", "", args=[1], rrule_string="FREQ=SECONDLY;COUNT=3")
    once = scheduler.schedule("sum", "", args=[1], trigger_at=soon)
    for schedule_id in (often, once):
        definition: Any = server.client.hget(f"schedules:{schedule_id}", "definition")
        server.client.hset(f"schedules:{schedule_id}", "definition", definition.replace(b'"sum"', b'"gone"'))
    scheduler.schedule("sum", "", args=[1], rrule_string="FREQ=SECONDLY;COUNT=3")
    one = start("one")
    wait_until(lambda: len(jobs.ids()) == 3)
    wait_until(lambda: "there is no task 'gone' any more" in one.log.read_text())
    for schedule_id in (often, once):
        wait_until(lambda: scheduler.look_up(schedule_id).status == "ended")  # noqa: B023 - used at once
        ended = scheduler.look_up(schedule_id)
        assert (ended.fired_count, ended.last_fired, ended.job_ids) == (0, None, [])


def test_a_full_queue_does_not_hold_up_the_schedules_of_other_queues(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs
) -> None:
    """However many wait for room; they fire when there is some."""
    later = datetime.now(UTC) + timedelta(hours=1)
    made = [scheduler.schedule("sum", "stuck", args=[1], trigger_at=later) for _ in range(BATCH + 5)]
    made += [scheduler.schedule("wait_and_return", "free", trigger_at=later)]
    _make_due(jobs.client, made)
    start("one", QUEUE_LIMIT="1")
    wait_until(lambda: jobs.ids("default"))
    assert len(jobs.ids()) == 1
    (first,) = jobs.ids()
    assert jobs.client.lrem("cpu", 1, first)
    wait_until(lambda: jobs.ids() not in ([], [first]))
