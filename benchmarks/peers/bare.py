"""A competitor without a framework: redis-py runs one job at a time, at least once."""

import os
from typing import Any

from redis import Redis


def work(client: Redis) -> None:
    """Move a job to a list of its own, run it, then store its result and remove it in one transaction."""
    held = f"held:{os.getpid()}"
    while True:
        job: Any = client.blmove("bare", held, 0, "RIGHT", "LEFT")
        result = sum(range(11))
        pipeline: Any = client.pipeline()
        pipeline.set(f"result:{job.decode()}", result, ex=86_400).lrem(held, 1, job).execute()


def fill(jobs: int) -> None:
    """Queue jobs."""
    redis.lpush("bare", *(os.urandom(8).hex() for _ in range(jobs)))


redis = Redis.from_url(os.environ["PEER_URL"])
if __name__ == "__main__":
    work(redis)
