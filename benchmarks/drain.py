"""Measure the drain rate: how many queued jobs per second a set of consumers ends, results stored."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from celery import Celery
from redis import Redis

from benchmarks.app import create_app
from project.celery_config.task import JobTask
from tests.support.processes import RedisServer, Worker
from tests.support.wait import wait_until


def fill(app: Celery, jobs: int) -> None:
    """Queue *jobs* jobs, in batches."""
    task = app.tasks["sum_to_n"]
    if isinstance(task, JobTask):
        task.submit_many({"number": 10} for _ in range(jobs))
        return
    with app.producer_pool.acquire(block=True) as producer, producer.batch(500):
        for _ in range(jobs):
            task.apply_async((10,), producer=producer)


def drained(client: "Redis") -> bool:
    """Tell whether no job waits and none is held, with either transport."""
    pipeline: Any = client.pipeline(transaction=False)
    pipeline.llen("celery").zcard("leases:celery").hlen("unacked")
    return not any(pipeline.execute())


def drain(
    server: RedisServer, folder: Path, scheme: str, pool: str, slots: Sequence[int], jobs: int, events: bool = False
) -> float:
    """Return jobs per second of one worker process per entry of *slots*, all warm before the clock starts."""
    server.client.flushall()
    url = server.url.replace("redis://", f"{scheme}://")
    app = create_app(url)
    workers = [
        Worker(url, folder, f"{pool}{number}", pool, count, "-l", "warning", app="benchmarks.app", events=int(events))
        for number, count in enumerate(slots)
    ]
    try:
        warm(app, server, len(slots))
        for worker in workers:
            worker.signal_all("STOP")
        fill(app, jobs)
        started = time.perf_counter()
        for worker in workers:
            worker.signal_all("CONT")
        wait_until(lambda: drained(server.client), 100)
        return jobs / (time.perf_counter() - started)
    finally:
        for worker in workers:
            worker.kill()
        app.close()


def warm(app: Celery, server: RedisServer, workers: int) -> None:
    """Wait until every worker has answered and has run some jobs, and check a result."""
    wait_until(lambda: len(app.control.ping(timeout=0.5)) == workers, 30)
    fill(app, 200)
    wait_until(lambda: drained(server.client), 30)
    assert app.tasks["sum_to_n"].delay(10).get(timeout=10) == 55
