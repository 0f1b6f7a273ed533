"""Measure the pools with I/O-bound jobs: `python -m benchmarks.pools` (about five minutes).

60 jobs that wait for a second each run on one consumer: prefork with 2 processes and threads with 50, alternating.
For CPU-bound jobs, for which threads share one core, see `python -m benchmarks --parts pools`.
"""

import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil

from project.celery_config.app import create_celery_app
from project.settings import Settings
from tests.support.processes import RedisServer, Worker
from tests.support.wait import wait_until

JOBS = 60
ROUNDS = 5
POOLS = {"prefork": 2, "threads": 50}


def main() -> None:
    """Measure each pool in each round, and print the medians, the ranges and the ratio."""
    seconds: dict[str, list[float]] = {pool: [] for pool in POOLS}
    memory: dict[str, float] = {}
    with TemporaryDirectory() as name:
        server = RedisServer(Path(name))
        app = create_celery_app(Settings(_env_file=None, redis_port=server.port))
        try:
            for _ in range(ROUNDS):
                for pool, slots in POOLS.items():
                    took, memory[pool] = measure(server, app, Path(name), pool, slots)
                    seconds[pool].append(took)
        finally:
            server.kill()
    report(seconds, memory)


def measure(server, app, folder, pool, slots):
    """Return the seconds from the first submission to the last ending, and the megabytes of the consumer."""
    worker = Worker(server.url, folder, pool, pool, slots, app="project.consumer", run_dir=folder).ready()
    try:
        begun = time.perf_counter()
        task = app.tasks["wait_and_return"]
        jobs = task.submit_many({"seconds": 1, "message": ""} for _ in range(JOBS))
        wait_until(lambda: all(server.client.hexists(f"job:{job.id}", "finished_at") for job in jobs), 120)
        took = time.perf_counter() - begun
        main_process = psutil.Process(worker.process.pid)
        used = [process.memory_full_info().uss for process in [main_process, *main_process.children(recursive=True)]]
        return took, sum(used) / 1e6
    finally:
        worker.kill()


def report(seconds, memory):
    """Print a line per pool."""
    print(f"{'pool':>8} {'slots':>5} {'seconds':>8} {'min-max':>13} {'MB (own)':>8}")
    for pool, slots in POOLS.items():
        between = f"{min(seconds[pool]):.2f}-{max(seconds[pool]):.2f}"
        print(f"{pool:>8} {slots:>5} {median(seconds[pool]):>8.2f} {between:>13} {memory[pool]:>8.0f}")
    print(f"threads are {median(seconds['prefork']) / median(seconds['threads']):.1f} times as fast")


if __name__ == "__main__":
    main()
