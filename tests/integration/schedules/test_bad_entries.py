"""What is stored under a schedule's key may be anything: it is listed with the reason, and the others fire."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from project.api.schedule_models import ScheduleOut
from project.errors import ScheduleInvalid, TooManySchedules, UnknownSchedule
from project.schedules.schedule import InvalidEntry
from project.schedules.task_scheduler import TaskScheduler
from project.settings import get_settings
from tests.integration.schedules.conftest import Jobs, StartScheduler
from tests.support.processes import RedisServer
from tests.support.wait import wait_until

DUE, INDEX, PAUSED = "schedules::schedule", "schedules::all", "schedules::paused"
# what replaces a field of a stored schedule (None: the field is removed), and what is said about it
DAMAGES: dict[str, tuple[str, Any, str]] = {
    "no definition": ("definition", None, "its field definition is missing"),
    "no next": ("next", None, "its field next is missing"),
    "not JSON": ("definition", "{", "Invalid JSON"),
    "not UTF-8": ("definition", b"\xff\xfe", "not UTF-8"),
    "another next": ("next", "tomorrow", "Invalid isoformat string"),
    "next in another form": ("next", "2020-01-01T00:00:00Z", "is not written as 2020-01-01T00:00:00+00:00"),
    "next without a zone": ("next", "2020-01-01T00:00:00", "next: Input should have timezone info"),
    "fired often": ("fired", "many", "its field fired is not a number"),
    "fired less than never": ("fired", "-1", "its field fired is not a number"),
    # Python reads these as numbers, but Redis cannot increment them
    "fired too often": ("fired", "99999999999999999999", "its field fired is not a number"),
    "fired with a zero in front": ("fired", "07", "its field fired is not a number"),
    "fired with an underscore": ("fired", "1_0", "its field fired is not a number"),
    "fired last never": ("last", "never", "Invalid isoformat string"),
    "jobs not UTF-8": ("jobs", b"\xff", "not UTF-8"),
}
RULES = {
    "a kind of newer code": ({"kind": "solar"}, "rule.kind"),
    "an invalid rule": ({"kind": "cron", "text": "0 3 * * nope"}, "'nope' is not a day of week"),
    "no interval": ({"kind": "every", "text": "0s"}, "shorter than 10 ms"),
    "an interval of older code": ({"kind": "every", "text": "2900000d"}, "longer than 50 years"),
    "a start beyond the calendar": ({"start": "12026-01-01T00:00:00Z"}, "rule.start"),
    "an unknown time zone": ({"kind": "cron", "text": "@daily", "timezone": "Mars/Olympus"}, "no time zone"),
}


def _damage(server: RedisServer, scheduler: TaskScheduler) -> dict[str, str]:
    """Store one damaged schedule of each kind that is due; return what is said about each."""
    client: Any = server.client
    said = {}
    for field, value, reason in DAMAGES.values():
        said[schedule_id := _due(server, scheduler)] = reason
        client.hdel(f"schedules:{schedule_id}", field)
        if value is not None:
            client.hset(f"schedules:{schedule_id}", field, value)
    for change, reason in RULES.values():
        said[schedule_id := _due(server, scheduler)] = reason
        definition = json.loads(client.hget(f"schedules:{schedule_id}", "definition"))
        definition["rule"] |= change
        client.hset(f"schedules:{schedule_id}", "definition", json.dumps(definition))
    said[schedule_id := _due(server, scheduler)] = "does not hold a hash"
    client.delete(f"schedules:{schedule_id}")
    client.set(f"schedules:{schedule_id}", "?")
    return said


def _due(server: RedisServer, scheduler: TaskScheduler) -> str:
    """Create a schedule that has been due for a second."""
    schedule_id = scheduler.schedule("sum", "", args=[1], cron="@yearly")
    server.client.zadd(DUE, {f"schedules:{schedule_id}": datetime.now(UTC).timestamp() - 1})
    return schedule_id


def test_damaged_entries_are_listed_with_the_reason_and_can_be_deleted(
    scheduler: TaskScheduler, server: RedisServer
) -> None:
    """Nothing else can be done with them, and they hide no other schedule."""
    whole = scheduler.schedule("sum", "", args=[1], cron="@yearly")
    said = _damage(server, scheduler)
    listed = {entry.schedule_id: entry for entry in scheduler.page(50)[0]}
    assert listed.keys() == {whole, *said}
    for schedule_id, reason in said.items():
        entry = listed[schedule_id]
        assert isinstance(entry, InvalidEntry)
        assert reason in entry.error and "delete this schedule" in entry.error
        assert ScheduleOut.of(entry).status == "invalid"
        for call in (scheduler.pause, scheduler.resume, scheduler.run):
            with pytest.raises(ScheduleInvalid):
                call(schedule_id)
        scheduler.delete(schedule_id)
    assert [entry.schedule_id for entry in scheduler.page(50)[0]] == [whole]


def test_damaged_entries_do_not_stop_the_scheduler_and_are_reported_once(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs, server: RedisServer
) -> None:
    """Whatever stands in Redis beside them: names that are not UTF-8, ids without a hash, scores without end."""
    said = _damage(server, scheduler)
    client: Any = server.client
    for key in (DUE, INDEX):
        client.zadd(key, {b"schedules:\xff": "-inf", "schedules:gone": 1, "elsewhere": 2, "schedules:": 3})
    client.zadd(INDEX, {"schedules:late": "inf"})
    ended = scheduler.schedule("sum", "", args=[1], cron="@yearly")
    client.hset(f"schedules:{ended}", "next", "")
    client.zadd(DUE, {f"schedules:{ended}": 1})
    scheduler.schedule("sum", "", args=[1], rrule_string="FREQ=SECONDLY;COUNT=3")
    one = start("one")
    wait_until(lambda: len(jobs.ids()) == 3)
    log = one.log.read_text()
    for schedule_id in said:
        assert log.count(f"schedule_id={schedule_id} cannot fire") == 1
    assert one.process.poll() is None


def test_a_page_of_entries_with_infinite_scores_has_a_next_page(scheduler: TaskScheduler, server: RedisServer) -> None:
    """A cursor is a number that JSON can carry."""
    schedule_id = scheduler.schedule("sum", "", args=[1], cron="@yearly")
    server.client.zadd(INDEX, {"schedules:late": "inf"})
    found, cursor = scheduler.page(1)
    assert (found, cursor) != ([], None) and abs(cursor or 0) < float("inf")
    assert [entry.schedule_id for entry in scheduler.page(1, cursor)[0]] == [schedule_id]


def test_a_schedule_that_a_newer_version_can_use_fires_again(
    start: StartScheduler, scheduler: TaskScheduler, server: RedisServer
) -> None:
    """An older scheduler keeps it among what is due, and looks at it again after a minute."""
    schedule_id = _due(server, scheduler)
    server.client.hdel(f"schedules:{schedule_id}", "definition")
    one = start("one")
    wait_until(lambda: f"schedule_id={schedule_id} cannot fire" in one.log.read_text())

    def seconds_left() -> float:
        again: Any = server.client.zscore(DUE, f"schedules:{schedule_id}")
        return float(again) - datetime.now(UTC).timestamp()

    wait_until(lambda: 0 < seconds_left() <= 60, what="it is looked at again")


def test_keys_of_the_scheduler_that_another_program_overwrote_are_restored(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs, server: RedisServer
) -> None:
    """Their values are kept under other names, and the schedules go on."""
    schedule_id = scheduler.schedule("sum", "", args=[1], rrule_string="FREQ=SECONDLY;COUNT=3")
    keys = (DUE, INDEX, PAUSED, "schedules::statics")
    for key in keys:
        server.client.delete(key)
        server.client.set(key, "mine")
    one = start("one")
    wait_until(lambda: len(jobs.ids()) == 3)
    log = one.log.read_text()
    assert all(f"the value was moved to {key}:not-a-" in log for key in keys)
    assert [entry.schedule_id for entry in scheduler.page(1)[0]] == [schedule_id]


def test_schedules_fire_after_the_set_of_due_times_was_deleted(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs, server: RedisServer
) -> None:
    """A paused one does not."""
    paused = scheduler.schedule("sum", "", args=[1], every="1s")
    scheduler.pause(paused)
    scheduler.schedule("sum", "", args=[1], rrule_string="FREQ=SECONDLY;COUNT=3")
    server.client.delete(DUE)
    start("one")
    wait_until(lambda: len(jobs.ids()) == 3)
    assert scheduler.look_up(paused).fired_count == 0


def test_schedules_are_listed_again_after_the_index_was_deleted(
    start: StartScheduler, scheduler: TaskScheduler, server: RedisServer
) -> None:
    """Also those of clients."""
    schedule_id = scheduler.schedule("sum", "", args=[1], cron="@yearly")
    server.client.delete(INDEX)
    start("one")
    wait_until(lambda: [entry.schedule_id for entry in scheduler.page(5)[0]] == [schedule_id])


def test_a_schedule_whose_task_was_removed_says_what_to_do(scheduler: TaskScheduler, server: RedisServer) -> None:
    """So does one with arguments that its task no longer accepts."""
    gone, changed = (scheduler.schedule("sum", "", args=[1], cron="@yearly") for _ in range(2))
    for schedule_id, old, new in ((gone, b'"sum"', b'"nap"'), (changed, b'"number"', b'"count"')):
        definition: Any = server.client.hget(f"schedules:{schedule_id}", "definition")
        server.client.hset(f"schedules:{schedule_id}", "definition", definition.replace(old, new))
    assert "no task 'nap' any more; delete this schedule" in scheduler.look_up(gone).error
    assert "takes other arguments now" in scheduler.look_up(changed).error
    for schedule_id in (gone, changed):
        assert ScheduleOut.of(scheduler.find(schedule_id)).status == "invalid"
        with pytest.raises(ScheduleInvalid, match="delete this schedule"):
            scheduler.run(schedule_id)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "rrule", "text": "FREQ=HOURLY;INTERVAL=2;BYHOUR=1", "start": "2026-01-01T00:00:00Z"},
        {"start": "0001-01-01T00:00:00Z"},
    ],
    ids=["never", "before the calendar"],
)
def test_a_paused_schedule_whose_times_cannot_be_computed_cannot_be_resumed(
    scheduler: TaskScheduler, server: RedisServer, change: dict[str, str]
) -> None:
    """Older code accepted such rules."""
    schedule_id = scheduler.schedule("sum", "", args=[1], cron="@yearly")
    scheduler.pause(schedule_id)
    client: Any = server.client
    definition = json.loads(client.hget(f"schedules:{schedule_id}", "definition"))
    definition["rule"] |= change
    client.hset(f"schedules:{schedule_id}", "definition", json.dumps(definition))
    with pytest.raises(ScheduleInvalid, match="delete this schedule"):
        scheduler.resume(schedule_id)
    assert scheduler.look_up(schedule_id).status == "paused"


def test_no_more_schedules_than_the_limit_are_kept(
    scheduler: TaskScheduler, monkeypatch: pytest.MonkeyPatch, server: RedisServer
) -> None:
    """Paused ones count, ended and deleted ones do not."""
    monkeypatch.setenv("SCHEDULE_LIMIT", "2")
    get_settings.cache_clear()
    paused, other = (scheduler.schedule("sum", "", args=[1], cron="@yearly") for _ in range(2))
    scheduler.pause(paused)
    with pytest.raises(TooManySchedules):
        scheduler.schedule("sum", "", args=[1], cron="@yearly")
    scheduler.delete(other)
    third = scheduler.schedule("sum", "", args=[1], cron="@yearly")
    with pytest.raises(TooManySchedules):
        scheduler.schedule("sum", "", args=[1], cron="@yearly")
    scheduler.resume(paused)
    scheduler._store.advance(scheduler.look_up(third), [], [], [])  # as the scheduler does after the last time
    assert scheduler.look_up(third).status == "ended"
    scheduler.schedule("sum", "", args=[1], cron="@yearly")
    assert server.client.zcard(DUE) == 2
    get_settings.cache_clear()


def test_a_schedule_that_is_paused_while_it_is_deleted_leaves_nothing(
    scheduler: TaskScheduler, server: RedisServer
) -> None:
    """Pausing looks at it again in the same step."""
    schedule_id = scheduler.schedule("sum", "", args=[1], cron="@yearly")
    scheduler.delete(schedule_id)
    scheduler._store.pause(schedule_id)
    scheduler._store.resume(schedule_id, [datetime.now(UTC)])
    assert server.client.keys("schedules:*") == []
    with pytest.raises(UnknownSchedule):
        scheduler.look_up(schedule_id)
