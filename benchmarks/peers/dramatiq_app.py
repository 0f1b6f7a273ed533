"""dramatiq: the task of the benchmark."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

URL = os.environ["PEER_URL"]
dramatiq.set_broker(RedisBroker(url=URL, middleware=[Results(backend=RedisBackend(url=URL))]))


@dramatiq.actor(store_results=True)
def sum_to_n(number: int) -> int:
    """Add up the numbers to *number*."""
    return sum(range(number + 1))


def fill(jobs: int) -> None:
    """Queue jobs."""
    for _ in range(jobs):
        sum_to_n.send(10)
