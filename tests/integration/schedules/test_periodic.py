"""The periodic jobs that come with the stack."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import Celery

from project.errors import DatabaseUnavailable
from project.integrations import records
from project.integrations.database import transaction
from project.migrate import migrate
from project.schedules.task_scheduler import TaskScheduler
from project.settings import get_settings
from tests.integration.schedules.conftest import Jobs, StartScheduler
from tests.support.ports import free_port
from tests.support.processes import RedisServer
from tests.support.wait import wait_until


def test_hello_comes_from_the_start_as_often_as_the_setting_says(start: StartScheduler, jobs: Jobs) -> None:
    """And HELLO_EVERY=0 switches it off, also after it was on."""
    one = start("one", HELLO_EVERY="1")
    assert wait_until(lambda: len(jobs.ids("default")) > 2)
    assert one.stop() == 0
    count = len(jobs.ids("default"))
    two = start("two")
    wait_until(lambda: two.leads)
    wait_until(lambda: not jobs.client.exists("schedules:hello"))
    assert len(jobs.ids("default")) == count


def test_a_crontab_in_the_settings_is_when_a_backup_is_made(start: StartScheduler, scheduler: TaskScheduler) -> None:
    """In UTC; without one there is no schedule."""
    one = start("one", BACKUP_DATABASE_AT="30 3 * * *")
    wait_until(lambda: one.leads)
    schedule = wait_until(lambda: scheduler.page(1)[0])[0]
    assert (schedule.task, f"{schedule.next:%H:%M %Z}") == ("backup_database", "03:30 UTC")


def test_a_restart_does_not_move_a_periodic_job(start: StartScheduler, scheduler: TaskScheduler) -> None:
    """A scheduler that restarts every half hour must still clean up every hour."""
    one = start("one", PURGE_EVERY="3600")
    wait_until(lambda: one.leads)
    planned = wait_until(lambda: scheduler.page(1)[0])[0].next
    assert one.stop() == 0
    two = start("two", PURGE_EVERY="3600")
    wait_until(lambda: two.leads)
    assert scheduler.look_up("purge-records").next == planned


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
            session.add(records.Record(job_id=name, task="hello", consumer="one", attempts=1, started_at=begun))
    yield settings.database
    get_settings.cache_clear()


def test_purging_forgets_what_has_expired_and_nothing_else(
    app: Celery, scheduler: TaskScheduler, server: RedisServer, database: str
) -> None:
    """Jobs, schedules and rows of the database."""
    kept = scheduler.schedule("sum", "", args=[1], cron="@yearly")
    gone = scheduler.schedule("sum", "", args=[1], cron="@yearly")
    _, job_kept = scheduler.run(kept)
    _, job_gone = scheduler.run(kept)
    server.client.delete(f"schedules:{gone}", f"job:{job_gone}")
    assert app.tasks["purge_records"]() == {"rows": 1, "jobs": 1, "schedules": 1}
    assert [schedule.schedule_id for schedule in scheduler.page(10)[0]] == [kept]
    assert server.client.zrange("jobs:recent", 0, -1) == [job_kept.encode()]
    with transaction(database) as session:
        assert [row.job_id for row in records.page(session, 10)] == ["new"]
    assert app.tasks["purge_records"]() == {"rows": 0, "jobs": 0, "schedules": 0}


@pytest.mark.usefixtures("database")
def test_purging_keeps_the_indexes_small_while_the_database_is_away(
    app: Celery, scheduler: TaskScheduler, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Redis has is forgotten before the database is asked."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://app@127.0.0.1:{free_port()}/d")
    get_settings.cache_clear()
    _, job_id = scheduler.run(scheduler.schedule("sum", "", args=[1], cron="@yearly"))
    server.client.delete(f"job:{job_id}")
    with pytest.raises(DatabaseUnavailable):
        app.tasks["purge_records"]()
    assert server.client.zcard("jobs:recent") == 0
