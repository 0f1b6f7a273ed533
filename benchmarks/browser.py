"""Measure the page in Chromium: its weight, its stream at three rates of jobs, and its speed with many job records.

    python -m benchmarks.browser [RECORDS]

The stream is read by a connection of its own beside the open page, which gets the same frames.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from playwright.sync_api import BrowserContext, Page, expect

from benchmarks.pages import read_frames
from project.celery_config.app import create_celery_app
from project.celery_config.tasks.demo import sum_to_n_job
from project.settings import Settings
from tests.support.browser import chromium
from tests.support.page import NO_TOUR, open_page
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

RATES, SECONDS, RECORDS, BATCH = (0, 100, 2000), 5, 100_000, 1000
SETTLED = 10_000  # milliseconds until the numbers stand still
TICK = 0.1  # seconds between two batches of a steady rate
FILTERS = ("limit=50", "status=FAILURE", "task=divide", "text=nowhere", "status=SUCCESS&queue=cpu")
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
FETCH = """async (path) => {
  const begun = performance.now();
  await (await fetch(path)).text();
  return performance.now() - begun;
}"""


@contextmanager
def steady(rate: int) -> Iterator[None]:
    """Submit this number of jobs per second while the block runs."""
    ended = Event()

    def submit() -> None:
        due = time.monotonic()
        while not ended.wait(max(0, due - time.monotonic())):
            sum_to_n_job.submit_many([{"number": 1}] * round(rate * TICK))
            due += TICK

    thread = Thread(target=submit)
    if rate:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if rate:
            thread.join()


async def _stream(port: int) -> tuple[float, float]:
    """Return the frames and KiB per second of one page."""
    received = [0, 0]
    reader = asyncio.create_task(read_frames(port, received))
    await asyncio.sleep(1)
    received[:] = [0, 0]
    await asyncio.sleep(SECONDS)
    reader.cancel()
    return received[0] / SECONDS, received[1] / 1024 / SECONDS


def _heap(page: Page) -> float:
    """Return the size of the JavaScript heap in MiB after a garbage collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used: Any = session.send("Runtime.getHeapUsage")["usedSize"]
    return float(used) / 2**20


def _fill(stack: NativeStack, records: int) -> None:
    """Leave this number of job records."""
    with stack.redis() as redis:
        for _ in range(0, records, BATCH):
            sum_to_n_job.submit_many([{"number": 1}] * BATCH)
        wait_until(lambda: redis.llen("cpu") == 0, 600)
        sys.stdout.write(f"{redis.zcard('jobs:recent'):,} recent jobs\n")


def _measure(stack: NativeStack, context: BrowserContext, records: int) -> None:
    page = open_page(context, stack.url)
    expect(page.locator("#live")).to_have_text("● live")
    page.wait_for_timeout(SETTLED)
    for rate in RATES:
        with steady(rate):
            # not asyncio.run: this thread runs playwright's loop
            result: list[tuple[float, float]] = []
            thread = Thread(target=lambda: result.append(asyncio.run(_stream(int(stack.settings["HTTP_PORT"])))))  # noqa: B023
            thread.start()
            while thread.is_alive():
                page.wait_for_timeout(100)
        frames, kib = result[0]
        sys.stdout.write(f"{rate:5} jobs/s: {frames:4.1f} frames/s, {kib:5.1f} KiB/s\n")
    page.close()
    _fill(stack, records)
    paints = []
    for _ in range(5):
        page = open_page(context, stack.url)
        paints.append(float(page.evaluate(PAINT)))
        page.goto(f"{stack.url}/#/jobs")
        expect(page.locator("#jobs-body tr")).to_have_count(50)
        heap = _heap(page)
        times = {each: median(page.evaluate(FETCH, f"/producer/api/jobs?{each}") for _ in range(5)) for each in FILTERS}
        page.close()
    sys.stdout.write(f"first paint: {median(paints):.0f} ms, heap: {heap:.1f} MiB\n")
    for name, taken in times.items():
        sys.stdout.write(f"?{name}: {taken:.0f} ms\n")


def main(records: int = RECORDS) -> None:
    """Print the figures."""
    weight = sum(file.stat().st_size for file in Path("project/web").iterdir())
    sys.stdout.write(f"weight of the page: {weight / 1024:.0f} KiB\n")
    with (
        TemporaryDirectory() as folder,
        NativeStack(Path(folder) / "run", CONSUMERS=2, CONSUMER_POOL="solo") as stack,
        chromium() as browser,
        browser.new_context() as context,
    ):
        context.add_init_script(NO_TOUR)
        password = (stack.run_dir / f"redis-{stack.settings['REDIS_PORT']}.password").read_text()
        url = f"redis://:{password}@127.0.0.1:{stack.settings['REDIS_PORT']}/0"
        create_celery_app(Settings(_env_file=None, redis_url=url))
        _measure(stack, context, records)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
