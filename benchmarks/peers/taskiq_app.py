"""taskiq: the task of the benchmark."""

import asyncio
import os

from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

URL = os.environ["PEER_URL"]
broker = ListQueueBroker(URL).with_result_backend(RedisAsyncResultBackend(URL, result_ex_time=86_400))


@broker.task
async def sum_to_n(number: int) -> int:
    """Add up the numbers to *number*."""
    return sum(range(number + 1))


def fill(jobs: int) -> None:
    """Queue jobs."""
    asyncio.run(_fill(jobs))


async def _fill(jobs: int) -> None:
    await broker.startup()
    for _ in range(jobs):
        await sum_to_n.kiq(10)
    await broker.shutdown()
