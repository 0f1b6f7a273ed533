"""A damaged key that schedules depend on stops at most the schedules that need it, and schedulers lead again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from project.schedules.task_scheduler import TaskScheduler
from tests.integration.schedules.conftest import Jobs, StartScheduler
from tests.support.processes import RedisServer
from tests.support.wait import wait_until

DUE = "schedules::schedule"
# commands with which another program damages what schedulers read
DAMAGES: dict[str, list[tuple[Any, ...]]] = {
    "names of schedules that are not UTF-8": [("SADD", "schedules::statics", b"\xff", ":lock")],
    "cards of another type": [("SET", "cards", "x")],
    "consumers of another type": [("SET", "consumers", "x")],
    "a lock that does not expire": [("SET", "schedules::lock", "x")],
    "a lock of another type that expires late": [
        ("RPUSH", "schedules::lock", "x"),
        ("EXPIRE", "schedules::lock", 9999),
    ],
}


@pytest.mark.parametrize("commands", DAMAGES.values(), ids=DAMAGES)
def test_schedules_fire_although_a_key_is_damaged(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs, server: RedisServer, commands: list[tuple[Any, ...]]
) -> None:
    """It was damaged before a scheduler started."""
    client: Any = server.client
    for command in commands:
        client.execute_command(*command)
    scheduler.schedule("sum", "", args=[1], rrule_string="FREQ=SECONDLY;COUNT=3")
    one = start("one")
    wait_until(lambda: len(jobs.ids()) == 3)
    assert one.process.poll() is None


@pytest.mark.heavy
def test_a_scheduler_leads_again_after_its_lock_was_overwritten(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs, server: RedisServer
) -> None:
    """With a value that does not expire, of another type."""
    one = start("one")
    wait_until(lambda: one.leads)
    client: Any = server.client
    client.pipeline().delete("schedules::lock").lpush("schedules::lock", "mine").execute()
    wait_until(lambda: client.type("schedules::lock") == b"string", what="it has acquired the lock again")
    scheduler.schedule("sum", "", args=[1], trigger_at=datetime.now(UTC) + timedelta(seconds=1))
    wait_until(jobs.ids)


@pytest.mark.parametrize("limit", ["0", "10"])
def test_a_damaged_queue_holds_up_only_its_own_schedules(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs, server: RedisServer, limit: str
) -> None:
    """They fire when it has been repaired, and not a time is lost."""
    client: Any = server.client
    client.set("default", "x")
    soon = datetime.now(UTC) + timedelta(seconds=1)
    stuck = scheduler.schedule("wait_and_return", "", trigger_at=soon, catch_up="all")
    scheduler.schedule("sum", "", args=[1], trigger_at=soon + timedelta(seconds=1))
    one = start("one", QUEUE_LIMIT=limit)
    wait_until(jobs.ids)
    assert f"schedule_id={stuck} cannot fire: a key in Redis is damaged: WRONGTYPE" in one.log.read_text()
    assert scheduler.look_up(stuck).fired_count == 0
    client.delete("default")
    client.zadd(DUE, {f"schedules:{stuck}": 1})
    wait_until(lambda: jobs.ids("default") == [scheduler.look_up(stuck).job_id(soon)])
    wait_until(lambda: scheduler.look_up(stuck).fired_count == 1)


def test_a_task_that_cannot_be_submitted_does_not_stop_other_schedules(
    start: StartScheduler, scheduler: TaskScheduler, jobs: Jobs, tmp_path: Path
) -> None:
    """The apply_async of a task may raise anything."""
    (tmp_path / "own.py").write_text(
        "from project.consumer import app\n"
        "def refuse(*args, **options): raise RuntimeError('not today')\n"
        "app.tasks['wait_and_return'].apply_async = refuse\n"
    )
    soon = datetime.now(UTC) + timedelta(seconds=1)
    stuck = scheduler.schedule("wait_and_return", "", trigger_at=soon)
    scheduler.schedule("sum", "", args=[1], trigger_at=soon + timedelta(seconds=1))
    one = start("one", app="own", PYTHONPATH=str(tmp_path))
    wait_until(jobs.ids)
    assert f"schedule_id={stuck} cannot fire: RuntimeError: not today" in one.log.read_text()
