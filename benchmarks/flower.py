"""Flower, listening to the events of the benchmark's consumers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from benchmarks.app import create_app
from benchmarks.drain import drained, fill, warm
from benchmarks.front_door import Program
from tests.support.events import listeners
from tests.support.ports import free_port
from tests.support.processes import RedisServer, Worker
from tests.support.wait import wait_until


@contextmanager
def flower(server: RedisServer, folder: Path, scheme: str = "redis") -> Iterator[psutil.Process]:
    """Run Flower during the block; it listens when this returns."""
    port, url = free_port(), server.url.replace("redis://", f"{scheme}://")
    command = ("celery", "-A", "benchmarks.app", "flower", "--address=127.0.0.1", f"--port={port}", "--max_tasks=10000")
    with Program(folder / "flower.log", *command, BROKER_URL=url) as program:
        wait_until(lambda: _answers(port) and listeners(server.client) > 0, 30, "Flower listens")
        yield psutil.Process(program.process.pid)


def _answers(port: int) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/healthcheck").status_code == 200
    return False


def cores_of_flower(server: RedisServer, folder: Path, scheme: str, rate: int = 2000, seconds: float = 6) -> float:
    """Return how many cores Flower keeps busy at a rate of jobs per second, the time to catch up included."""
    server.client.flushall()
    url = server.url.replace("redis://", f"{scheme}://")
    app = create_app(url)
    workers = [Worker(url, folder, f"e{n}", "solo", 1, "-l", "warning", app="benchmarks.app", events=1) for n in (1, 2)]
    try:
        warm(app, server, 2)
        with flower(server, folder, scheme) as process:
            used, begun, jobs = _cpu(process), time.perf_counter(), 0
            while (elapsed := time.perf_counter() - begun) < seconds:
                time.sleep(max(0.0, jobs / rate - elapsed))
                fill(app, 100)
                jobs += 100
            wait_until(lambda: drained(server.client), 60)
            _wait_until_idle(process)
            return (_cpu(process) - used) / (jobs / rate)
    finally:
        for worker in workers:
            worker.kill()
        app.close()


def _cpu(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def _wait_until_idle(process: psutil.Process) -> None:
    """Wait until Flower has processed the events that it has received."""
    wait_until(lambda: process.cpu_percent(0.5) < 15, 60, "Flower has caught up")
