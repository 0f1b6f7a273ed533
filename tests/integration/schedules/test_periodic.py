"""The periodic jobs that come with the stack."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from project.errors import DatabaseUnavailable, GlassqueueError, ScheduleOfTheStack
from project.integrations.database import history
from project.integrations.database.engine import transaction
from project.leased_transport import keys
from project.migrate import migrate
from project.schedules import leader_heartbeat
from project.schedules.task_scheduler import TaskScheduler
from project.settings import get_settings
from tests.integration.schedules.conftest import Jobs, StartScheduler
from tests.support.ports import free_port
from tests.support.processes import RedisServer
from tests.support.wait import wait_until

RARELY = "1500000000"  # seconds, counted from 1970: not in these years


def test_hello_runs_from_the_start_at_the_interval_of_the_setting(start: StartScheduler, jobs: Jobs) -> None:
    """And HELLO_EVERY=0 switches it off, also after it was on."""
    one = start("one", HELLO_EVERY="1")
    assert wait_until(lambda: len(jobs.ids("default")) > 2)
    assert one.stop() == 0
    count = len(jobs.ids("default"))
    two = start("two")
    wait_until(lambda: two.leads)
    wait_until(lambda: not jobs.client.exists("schedules:hello"))
    assert len(jobs.ids("default")) == count


def test_a_backup_runs_at_the_times_of_its_crontab(start: StartScheduler, scheduler: TaskScheduler) -> None:
    """In UTC; without one there is no schedule."""
    one = start("one", BACKUP_DATABASE_AT="30 3 * * *")
    wait_until(lambda: one.leads)
    wait_until(lambda: scheduler.page(1)[0])
    schedule = scheduler.look_up("backup-database")
    assert (schedule.task, f"{schedule.next:%H:%M %Z}") == ("backup_database", "03:30 UTC")


def test_a_restart_does_not_move_a_periodic_job(start: StartScheduler, scheduler: TaskScheduler) -> None:
    """A scheduler that restarts every half hour must still clean up every hour."""
    one = start("one", PURGE_EVERY=RARELY)
    wait_until(lambda: one.leads)
    wait_until(lambda: scheduler.page(1)[0])
    planned = scheduler.look_up("purge-records").next
    assert one.stop() == 0
    two = start("two", PURGE_EVERY=RARELY)
    wait_until(lambda: two.leads)
    assert scheduler.look_up("purge-records").next == planned


OWN = {"HELLO_EVERY": RARELY, "PURGE_EVERY": RARELY, "BACKUP_DATABASE_AT": "@yearly", "BACKUP_FTP_AT": "0 3 1 jan *"}
OWN |= {"FTP_HOST": "ftp.invalid"}


def test_lost_and_damaged_entries_of_the_stack_are_restored_and_fire_nothing_extra(
    start: StartScheduler, scheduler: TaskScheduler, server: RedisServer, jobs: Jobs
) -> None:
    """Each has the time that it had before."""
    one = start("one", **OWN)
    names = ["hello", "purge-records", "backup-database", "backup-ftp"]
    wait_until(lambda: one.leads and len(scheduler.page(5)[0]) == len(names))
    planned = {name: scheduler.look_up(name).next for name in names}
    client: Any = server.client
    client.delete("schedules:hello")
    client.hdel("schedules:purge-records", "next")
    client.zrem("schedules::schedule", "schedules:backup-database")
    client.zrem("schedules::all", "schedules:backup-database")
    client.delete("schedules:backup-ftp")
    client.lpush("schedules:backup-ftp", "?")
    due = {f"schedules:{name}".encode() for name in names}
    wait_until(lambda: due <= set(client.zrange("schedules::schedule", 0, -1)) and not _damaged(scheduler, names))
    assert {name: scheduler.look_up(name).next for name in names} == planned
    assert {entry.schedule_id for entry in scheduler.page(5)[0]} == set(names)
    assert jobs.ids("default") + jobs.ids("maintenance") == []


def test_entries_of_the_stack_with_wrong_times_get_their_times_back(
    start: StartScheduler, scheduler: TaskScheduler, server: RedisServer, jobs: Jobs
) -> None:
    """Such as after the clock of the machine was ahead for a moment, or after another program changed their rule."""
    one = start("one", **OWN)
    names = ["hello", "purge-records", "backup-database", "backup-ftp"]
    wait_until(lambda: one.leads and len(scheduler.page(5)[0]) == len(names))
    planned = {name: scheduler.look_up(name).next for name in names}
    client: Any = server.client
    client.hset("schedules:backup-database", "next", "2999-01-01T00:00:00+00:00")
    client.hset("schedules:hello", "next", "2999-01-01T00:00:00+00:00")
    client.zadd("schedules::schedule", {"schedules:hello": datetime(2999, 1, 1, tzinfo=UTC).timestamp()})
    for name, old, new in (
        ("purge-records", '"none"', '"all"'),
        ("backup-ftp", '"timezone":"UTC"', '"timezone":"Asia/Tokyo"'),
    ):
        definition = client.hget(f"schedules:{name}", "definition").decode()
        assert old in definition
        client.hset(f"schedules:{name}", "definition", definition.replace(old, new))
    wait_until(lambda: {name: scheduler.look_up(name).next for name in names} == planned)
    wait_until(lambda: scheduler.look_up("purge-records").catch_up == "none")
    wait_until(lambda: scheduler.look_up("backup-ftp").rule.timezone == "UTC")
    due = {name: client.zscore("schedules::schedule", f"schedules:{name}") for name in names}
    assert due == {name: moment and moment.timestamp() for name, moment in planned.items()}
    assert jobs.ids("default") + jobs.ids("maintenance") == []


def _damaged(scheduler: TaskScheduler, names: list[str]) -> bool:
    try:
        return any(scheduler.look_up(name).status != "active" for name in names)
    except GlassqueueError:
        return True


@pytest.mark.heavy
def test_a_paused_entry_of_the_stack_stays_paused_when_it_is_restored(
    start: StartScheduler, scheduler: TaskScheduler, server: RedisServer
) -> None:
    """Also after its setting has changed."""
    one = start("one", HELLO_EVERY="1", PURGE_EVERY="1")
    wait_until(lambda: one.leads and len(scheduler.page(5)[0]) == 2)
    assert scheduler.pause("hello").status == scheduler.pause("purge-records").status == "paused"
    server.client.delete("schedules:hello")
    wait_until(lambda: server.client.exists("schedules:hello"))
    assert one.stop() == 0
    two = start("two", HELLO_EVERY="1", PURGE_EVERY="2")
    wait_until(lambda: two.leads and scheduler.look_up("purge-records").rule.text == "2000ms")
    assert scheduler.look_up("hello").status == scheduler.look_up("purge-records").status == "paused"
    assert scheduler.resume("hello").status == "active"


def test_entries_of_the_stack_cannot_be_deleted(
    start: StartScheduler, scheduler: TaskScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any client could end the backups."""
    one = start("one", HELLO_EVERY=RARELY)
    wait_until(lambda: one.leads and scheduler.page(1)[0])
    with pytest.raises(ScheduleOfTheStack, match="pause it"):
        scheduler.delete("hello")
    assert scheduler.look_up("hello").status == "active"


def test_hello_does_not_catch_up_after_a_restart(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs, server: RedisServer
) -> None:
    """No missed time fires, not even one of the last minute."""
    one = start("one", HELLO_EVERY="1")
    wait_until(lambda: len(jobs.ids("default")) > 1)
    assert one.stop() == 0
    # as after some time without a scheduler: its heartbeat and its lock have expired, and times have passed
    server.client.delete("schedules::leader", "schedules::lock")
    missed = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=90)
    server.client.hset("schedules:hello", "next", missed.isoformat())
    server.client.zadd("schedules::schedule", {"schedules:hello": missed.timestamp()})
    before, restarted = set(jobs.ids("default")), datetime.now(UTC)
    start("two", HELLO_EVERY="1")
    wait_until(lambda: len(jobs.ids("default")) > len(before) + 1)
    entry = scheduler.look_up("hello")
    fired = {entry.job_id(restarted.replace(microsecond=0) + timedelta(seconds=second)) for second in range(1, 100)}
    assert set(jobs.ids("default")) - before <= fired


def test_an_invalid_entry_is_skipped_and_reported(
    start: StartScheduler, scheduler: TaskScheduler, server: RedisServer, tmp_path: Path
) -> None:
    """The others are kept, and the log says once what is wrong."""
    (tmp_path / "own.py").write_text(
        "from project.consumer import app\n"
        "app.conf.beat_schedule |= {'backup': {'task': 'hello', 'schedule': '0 3 * * nope'},"
        " 'gone': {'task': 'nap', 'schedule': 60}, 'none': None}\n"
    )
    one = start("one", app="own", PYTHONPATH=str(tmp_path), HELLO_EVERY=RARELY)
    wait_until(lambda: leader_heartbeat.read(server.client))
    leader = leader_heartbeat.read(server.client)
    assert leader and leader.errors.keys() == {"backup", "gone", "none"}
    assert one.log.read_text().count("'nope' is not a day of week") == 1
    assert [entry.schedule_id for entry in scheduler.page(5)[0]] == ["hello"]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database with one old row and one new one, which the settings name."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/records.db")
    monkeypatch.setenv("RECORDS_TTL", "3600")
    get_settings.cache_clear()
    settings = get_settings()
    migrate(settings)
    with transaction(settings.database) as session:
        now = datetime.now(UTC)
        for name, begun in (("old", now - timedelta(hours=2)), ("new", now)):
            session.add(history.Record(job_id=name, task="hello", consumer="one", attempts=1, started_at=begun))
    yield settings.database
    get_settings.cache_clear()


def test_purging_deletes_expired_entries_only(
    app: Celery, scheduler: TaskScheduler, server: RedisServer, database: str
) -> None:
    """Jobs, schedules and rows of the database."""
    kept = scheduler.schedule("sum", "", args=[1], cron="@yearly")
    gone = scheduler.schedule("sum", "", args=[1], cron="@yearly")
    _, job_kept = scheduler.run(kept)
    _, job_gone = scheduler.run(kept)
    server.client.delete(f"schedules:{gone}", f"job:{job_gone}")
    server.client.zadd("schedules::all", {b"schedules:\xff": 1})  # not UTF-8: another program wrote it
    assert app.tasks["purge_records"]() == {"rows": 1, "jobs": 1, "schedules": 2}
    assert [schedule.schedule_id for schedule in scheduler.page(10)[0]] == [kept]
    assert server.client.zrange("schedules::schedule", 0, -1) == [f"schedules:{kept}".encode()]
    assert server.client.zrange(keys.RECENT, 0, -1) == [job_kept.encode()]
    with transaction(database) as session:
        assert [row.job_id for row in history.page(session, 10)] == ["new"]
    assert app.tasks["purge_records"]() == {"rows": 0, "jobs": 0, "schedules": 0}


@pytest.mark.usefixtures("database")
def test_purging_finds_schedules_that_have_lost_their_place_in_an_index(
    app: Celery, scheduler: TaskScheduler, server: RedisServer
) -> None:
    """They fire and are listed again; a paused one is not made active, and one that is gone counts no longer."""
    made = [scheduler.schedule("sum", "", args=[1], cron="@yearly") for _ in range(4)]
    silent, unlisted, paused, gone = (f"schedules:{schedule_id}" for schedule_id in made)
    for schedule_id in made[2:]:
        scheduler.pause(schedule_id)
    client: Any = server.client
    client.delete(gone)
    client.zrem("schedules::schedule", silent)
    client.zrem("schedules::all", unlisted, paused)
    app.tasks["purge_records"]()
    due = {silent.encode(), unlisted.encode()}
    assert set(client.zrange("schedules::schedule", 0, -1)) == due
    assert set(client.zrange("schedules::all", 0, -1)) == due | {paused.encode()}
    assert client.smembers("schedules::paused") == {paused.encode()}
    assert client.zscore("schedules::schedule", silent) == scheduler.look_up(made[0]).next.timestamp()  # type: ignore[union-attr]


@pytest.mark.usefixtures("database")
def test_purging_keeps_the_indexes_small_while_the_database_is_away(
    app: Celery, scheduler: TaskScheduler, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The indexes in Redis are cleaned before the database is asked."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://app@127.0.0.1:{free_port()}/d")
    get_settings.cache_clear()
    _, job_id = scheduler.run(scheduler.schedule("sum", "", args=[1], cron="@yearly"))
    server.client.delete(f"job:{job_id}")
    with pytest.raises(DatabaseUnavailable):
        app.tasks["purge_records"]()
    assert server.client.zcard(keys.RECENT) == 0
