"""Measure what open pages cost: the throughput of short jobs with 0 and with 50 pages, in turns, in one run.

    python -m benchmarks.pages

Each page is a connection through NGINX that follows the overview and throws away what it reads.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from project.celery_config.app import create_celery_app
from project.celery_config.tasks.demo import sum_to_n_job
from project.settings import Settings
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

PAGES, JOBS, ROUNDS = 50, 12_000, 3
EVENTS = "/producer/api/overview/events"


async def read_frames(port: int, received: list[int]) -> None:
    """Follow the overview; count frames and bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {EVENTS} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    try:
        while chunk := await reader.read(65536):
            received[0] += chunk.count(b"event: overview")
            received[1] += len(chunk)
    finally:
        writer.close()


async def _measure(stack: NativeStack, pages: int, drain: Callable[[], float]) -> tuple[float, float, float]:
    received = [0, 0]
    readers = [asyncio.create_task(read_frames(int(stack.settings["HTTP_PORT"]), received)) for _ in range(pages)]
    await asyncio.sleep(1)
    received[:] = [0, 0]
    begun = time.monotonic()
    rate = await asyncio.to_thread(drain)
    seconds = (time.monotonic() - begun) * max(1, pages)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    return rate, received[0] / seconds, received[1] / 1024 / seconds


def main() -> None:
    """Print jobs per second, frames and KiB per second and page for each round, and the cost."""
    with TemporaryDirectory() as folder, NativeStack(Path(folder) / "run", CONSUMER_POOL="solo") as stack:
        _run(stack)


def _run(stack: NativeStack) -> None:
    port = stack.settings["REDIS_PORT"]
    password = (stack.run_dir / f"redis-{port}.password").read_text()
    create_celery_app(Settings(_env_file=None, redis_url=f"redis://:{password}@127.0.0.1:{port}/0"))

    def drain() -> float:
        """Submit the jobs and return how many per second were run."""
        with stack.redis() as redis:
            before = _ended(redis)
            begun = time.monotonic()
            sum_to_n_job.submit_many([{"number": 1}] * JOBS)
            wait_until(lambda: _ended(redis) - before >= JOBS, 120)
            return JOBS / (time.monotonic() - begun)

    drain()
    rates: dict[int, list[float]] = {0: [], PAGES: []}
    for _ in range(ROUNDS):
        for pages, measured in rates.items():
            rate, frames, kib = asyncio.run(_measure(stack, pages, drain))
            measured.append(rate)
            sys.stdout.write(f"{pages:3} pages: {rate:6.0f} jobs/s, {frames:4.1f} frames/s and {kib:5.1f} KiB/s each\n")
    without, with_pages = map(statistics.median, rates.values())
    sys.stdout.write(f"{PAGES} pages cost {1 - with_pages / without:.1%} of the throughput\n")


def _ended(redis: Any) -> int:
    counts = redis.hgetall("counts:cpu")
    return sum(int(value) for name, value in counts.items() if name.startswith(b"succeeded"))


if __name__ == "__main__":
    main()
