"""huey: the task of the benchmark."""

import os

from huey import RedisHuey

huey = RedisHuey("peer", url=os.environ["PEER_URL"])


@huey.task()
def sum_to_n(number: int) -> int:
    """Add up the numbers to *number*."""
    return sum(range(number + 1))


def fill(jobs: int) -> None:
    """Queue jobs."""
    for _ in range(jobs):
        sum_to_n(10)
