"""Schedules whose task only other consumers have."""

from datetime import timedelta

from celery import Celery
from redis import Redis

from project.schedules.task_scheduler import TaskScheduler
from tests.integration.schedules.conftest import Jobs, StartScheduler
from tests.support.cards import announce, card
from tests.support.processes import RedisServer
from tests.support.wait import wait_until


def test_the_scheduler_fires_an_announced_task(
    app: Celery, scheduler: TaskScheduler, server: RedisServer, jobs: Jobs, start: StartScheduler
) -> None:
    """It reads the cards before it fires, so that none of the first times is missed."""
    announce(server.client, card(queue="packing"))
    client: Redis = server.client
    app.announced.refresh(client)
    scheduler.schedule("pack", "often", kwargs={"item": "tea"}, every=timedelta(seconds=1))
    start("one")
    (job_id, *_) = wait_until(lambda: jobs.ids("packing"), what="the scheduler submits a job")
    assert client.hget(f"job:{job_id}", "task") == b"pack"
    assert "cannot fire" not in (server.folder.parent / "one.log").read_text()
