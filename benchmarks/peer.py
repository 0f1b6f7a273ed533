"""The fastest other task queue that we know: huey, with two worker processes; it loses the job of a killed worker."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from huey import RedisHuey

from tests.support.processes import ROOT, RedisServer
from tests.support.wait import wait_until

huey = RedisHuey("peer", url=os.environ.get("BROKER_URL", "redis://"))


@huey.task()
def sum_to_n(number: int) -> int:
    """Add up the numbers to *number*."""
    return sum(range(number + 1))


def drain(server: RedisServer, jobs: int) -> float:
    """Return jobs per second of two worker processes, both warm before the clock starts."""
    server.client.flushall()
    environment = {**os.environ, "BROKER_URL": server.url}
    command = [str(Path(sys.executable).with_name("huey_consumer")), "benchmarks.peer.huey", "-k", "process", "-w", "2"]
    consumer = subprocess.Popen([*command, "-q"], cwd=ROOT, env=environment, start_new_session=True)
    huey.storage.conn.connection_pool = server.client.connection_pool
    try:
        _submit(200)
        wait_until(lambda: huey.result_count() == 200)
        os.killpg(consumer.pid, signal.SIGSTOP)
        _submit(jobs)
        started = time.perf_counter()
        os.killpg(consumer.pid, signal.SIGCONT)
        wait_until(lambda: huey.result_count() == jobs + 200, 120)
        return jobs / (time.perf_counter() - started)
    finally:
        os.killpg(consumer.pid, signal.SIGKILL)
        consumer.wait()


def _submit(jobs: int) -> None:
    for _ in range(jobs):
        sum_to_n(10)
