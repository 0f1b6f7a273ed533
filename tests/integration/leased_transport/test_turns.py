"""Order: queues take turns, and within a queue more urgent jobs run first."""

import re

import pytest
from celery import Celery
from redis import Redis

from project.leased_transport import keys
from tests.integration.leased_transport.test_delivery import every_pool, nothing_left, record
from tests.support.stopwatch import takes_less_than
from tests.support.transport_fixtures import StartWorker
from tests.support.wait import wait_until


def test_a_flood_in_one_queue_does_not_hold_another_up(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """A job starts within a second although 200 jobs of 20 ms wait in another queue of the same consumer."""
    for number in range(200):
        app.tasks["nap"].apply_async((f"flood{number}", 0.02), queue="celery")
    one = workers("one", "solo", 1, "-Q", "celery,other")
    wait_until(lambda: redis.exists("runs:flood3"))
    with takes_less_than(1, one.process.pid):
        assert app.tasks["add"].apply_async((1, 2), queue="other").get(timeout=10) == 3
    assert redis.llen("celery") > 100


@every_pool
def test_queues_are_served_in_turn(app: Celery, redis: Redis, workers: StartWorker, pool: str, slots: int) -> None:
    """Of three queues with waiting jobs none gets more than its share, however large the batches are."""
    queues = ("celery", "two", "three")
    ids = {name: [app.tasks["note"].apply_async((name,), queue=name).id for _ in range(40)] for name in queues}
    workers("one", pool, slots, "-Q", ",".join(queues))
    wait_until(lambda: all(record(redis, jobs[-1])["status"] == "SUCCESS" for jobs in ids.values()))
    begun = {job: float(record(redis, job)["started_at"]) for jobs in ids.values() for job in jobs}
    # jobs of one batch begin at the same time
    order = sorted((begun[job], place, name) for name, jobs in ids.items() for place, job in enumerate(jobs))
    first = [name for *_, name in order[:60]]
    assert {name: first.count(name) for name in queues} == pytest.approx(dict.fromkeys(queues, 20), abs=4)


def test_a_job_without_a_priority_counts_as_the_middle(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """Some jobs can be more urgent and others less; jobs of older versions, in the plain list, are served too."""
    wanted = {"last": 9, "later": 6, "plain": None, "same": 5, "sooner": 4, "urgent": 0}
    for name, priority in wanted.items():
        options = {} if priority is None else {"priority": priority}
        app.tasks["note"].apply_async((name,), task_id=name, **options)
    assert redis.lrange("celery", 0, -1) == [b"same", b"plain"]
    worker = workers()
    wait_until(lambda: nothing_left(redis))
    order = re.findall(r"note\[(\w+)\] received", worker.log.read_text())
    assert order == ["urgent", "sooner", "plain", "same", "later", "last"]


def test_a_job_knows_its_priority(app: Celery, workers: StartWorker) -> None:
    """Also the default priority, which is not stored."""
    workers()
    for given, known in ((None, 5), (5, 5), (0, 0), (9, 9)):
        options = {} if given is None else {"priority": given}
        assert app.tasks["priority"].apply_async(**options).get(timeout=20) == known


def test_a_retry_keeps_the_priority(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """Also 0, the most urgent."""
    job = app.tasks["again"].apply_async(("r", 1, 30), priority=0)
    workers()
    wait_until(lambda: job.state == "RETRY")
    assert redis.hget(keys.job(job.id), "step") == b"0"
