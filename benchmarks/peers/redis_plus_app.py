"""celery-redis-plus: the task of the benchmark."""

import os

import celery_redis_plus  # noqa: F401  # registers valkey://
from celery import Celery

URL = os.environ["PEER_URL"]
app = Celery("peer", broker=URL.replace("redis://", "valkey://"), backend=URL)
app.conf.update(worker_hijack_root_logger=False)


@app.task(name="sum_to_n")
def sum_to_n(number: int) -> int:
    """Add up the numbers to *number*."""
    return sum(range(number + 1))


def fill(jobs: int) -> None:
    """Queue jobs."""
    for _ in range(jobs):
        sum_to_n.delay(10)
