"""Measure the cost of 10,000 schedules: `python -m benchmarks.schedules` (about two minutes).

Each schedule fires once a minute, spread over the minute, with one scheduler and no consumer. Print how late the jobs
were submitted, and the CPU time and memory of the scheduler and Redis.
"""

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

import psutil

from project.celery_config.app import create_celery_app
from project.schedules.task_scheduler import TaskScheduler
from project.settings import Settings
from tests.support.processes import RedisServer
from tests.support.schedulers import SchedulerProcess
from tests.support.stack import QUIET
from tests.support.wait import wait_until

EVERY = 60  # seconds


def main(count: int) -> None:
    """Create schedules, let them fire for a minute, and print the measurements."""
    with TemporaryDirectory() as name:
        server = RedisServer(Path(name), "--appendonly", "yes")
        try:
            measure(server, Path(name), count)
        finally:
            server.kill()


def measure(server, folder, count):
    """Print one line per figure."""
    scheduler = TaskScheduler(create_celery_app(Settings(_env_file=None, redis_port=server.port)))
    before = server.client.info("memory")["used_memory"]
    make(scheduler, count)
    size = (server.client.info("memory")["used_memory"] - before) / count
    process = SchedulerProcess(folder, "one", **QUIET | {"REDIS_PORT": str(server.port)}).ready()
    try:
        wait_until(lambda: process.leads)
        # ignore schedules that became due while they were being created
        wait_until(lambda: not server.client.zcount("schedules::schedule", 0, time.time()), 60)
        watched = psutil.Process(process.process.pid)
        cpu, begun = sum(watched.cpu_times()[:2]), time.time()
        wait_until(lambda: time.time() > begun + EVERY, EVERY + 1)
        cpu, memory = sum(watched.cpu_times()[:2]) - cpu, watched.memory_info().rss
    finally:
        process.kill()
    report(server, scheduler, begun, {"cpu": cpu / EVERY, "rss_mb": memory / 1e6, "redis_bytes_each": size})


def make(scheduler, count):
    """Create schedules with times spread evenly over a minute."""
    now = datetime.now(UTC)
    for number in range(count):
        start = now - timedelta(seconds=EVERY * number / count)
        scheduler.schedule("sum", "benchmark", [1], every=f"{EVERY}s", start=start, catch_up="none")


def report(server, scheduler, begun, figures):
    """Print the delays (in seconds) of jobs that became due since *begun*, and the other figures."""
    late, cursor = [], None
    while True:
        page, cursor = scheduler.page(1000, cursor)
        for schedule in page:
            if schedule.last_fired and schedule.last_fired.timestamp() > begun:
                submitted = float(server.client.hget(f"job:{schedule.job_ids[0]}", "submitted_at"))
                late.append(submitted - schedule.last_fired.timestamp())
        if cursor is None:
            break
    cuts = quantiles(late, n=100)
    figures |= {"fired": len(late), "late_p50": cuts[49], "late_p99": cuts[98], "late_max": max(late)}
    for name, value in figures.items():
        print(f"{name:>18} {value:,.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 10_000)
