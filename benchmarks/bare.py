"""A competitor without a framework: redis-py processes that run one job at a time, at least once."""

import os
import subprocess
import sys
import time
from typing import Any

from redis import Redis

from tests.support.processes import ROOT, RedisServer
from tests.support.wait import wait_until


def work(port: int) -> None:
    """Move a job to a list of its own, run it, then store its result and remove it in one transaction."""
    client = Redis(port=port)
    held = f"held:{os.getpid()}"
    client.incr("ready")
    while True:
        job: Any = client.blmove("bare", held, 0, "RIGHT", "LEFT")
        result = sum(range(11))
        pipeline: Any = client.pipeline()
        pipeline.set(f"result:{job.decode()}", result, ex=86_400).lrem(held, 1, job).execute()


def drain(server: RedisServer, jobs: int) -> float:
    """Return jobs per second of two such processes."""
    server.client.flushall()
    command = [sys.executable, "-m", "benchmarks.bare", str(server.port)]
    workers = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    try:
        wait_until(lambda: server.client.get("ready") == b"2")
        started = time.perf_counter()
        server.client.lpush("bare", *range(jobs))
        wait_until(lambda: server.client.dbsize() >= jobs + 1, 60)
        return jobs / (time.perf_counter() - started)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


if __name__ == "__main__":
    work(int(sys.argv[1]))
