"""Measures of the leased transport and of Celery's own: publishing, the journey of a job, memory, fairness, depth."""

import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.app import create_app
from benchmarks.drain import drained, fill, warm
from tests.support.processes import RedisServer, Worker
from tests.support.wait import wait_until

LEASED, STOCK = "redis", "redis+stock"


class Transports:
    """One Redis server and one folder for all measurements; each takes the scheme of the broker's URL."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        """Keep the server and the folder for all measurements."""
        self.server, self.folder = server, folder

    def url(self, scheme: str) -> str:
        """Return the broker URL that selects a transport."""
        return self.server.url.replace("redis://", f"{scheme}://")

    def _workers(self, scheme: str, count: int) -> list[Worker]:
        options = ("solo", 1, "-l", "warning")
        return [Worker(self.url(scheme), self.folder, f"t{n}", *options, app="benchmarks.app") for n in range(count)]

    def publish(self, scheme: str, jobs: int = 1500) -> float:
        """Measure .delay() calls per second of one thread."""
        self.server.client.flushall()
        task = create_app(self.url(scheme)).tasks["sum_to_n"]
        task.delay(10)
        started = time.perf_counter()
        for _ in range(jobs):
            task.delay(10)
        return jobs / (time.perf_counter() - started)

    def publish_batched(self, scheme: str, jobs: int = 5000) -> float:
        """Measure jobs per second through submit_many(); stock publishes one by one, as it ships."""
        if scheme == STOCK:
            return self.publish(scheme)
        self.server.client.flushall()
        app = create_app(self.url(scheme))
        started = time.perf_counter()
        fill(app, jobs)
        return jobs / (time.perf_counter() - started)

    def round_trip(self, scheme: str, jobs: int = 300) -> float:
        """Measure the median milliseconds from .delay() to .get() with an idle solo consumer."""
        self.server.client.flushall()
        app = create_app(self.url(scheme))
        (worker,) = self._workers(scheme, 1)
        try:
            warm(app, self.server, 1)
            times = []
            for _ in range(jobs):
                started = time.perf_counter()
                app.tasks["sum_to_n"].delay(10).get(timeout=10)
                times.append(1000 * (time.perf_counter() - started))
            return statistics.median(times)
        finally:
            worker.kill()

    def memory(self, scheme: str, jobs: int = 5000) -> float:
        """Measure bytes of Redis memory per queued job."""
        self.server.client.flushall()
        app = create_app(self.url(scheme))
        fill(app, 100)
        before = self.server.client.info("memory")["used_memory"]
        fill(app, jobs)
        return (self.server.client.info("memory")["used_memory"] - before) / jobs

    def fairness(self, scheme: str) -> float:
        """Measure the seconds that two solo consumers need for six jobs of 0.5 s (1.5 is ideal), as shipped."""
        self.server.client.flushall()
        app = create_app(self.url(scheme))
        workers = self._workers(scheme, 2)
        try:
            warm(app, self.server, 2)
            started = time.perf_counter()
            for _ in range(6):
                app.tasks["nap"].delay(0.5)
            wait_until(lambda: drained(self.server.client), 30)
            return time.perf_counter() - started
        finally:
            for worker in workers:
                worker.kill()

    def naps(self, pool: str, slots: int, seconds: float = 2) -> float:
        """Measure jobs per second of a consumer with jobs that wait 10 ms, over about this many seconds."""
        self.server.client.flushall()
        app = create_app(self.url(LEASED))
        options = (pool, slots, "-l", "warning")
        worker = Worker(self.url(LEASED), self.folder, "naps", *options, app="benchmarks.app")
        jobs = int(100 * slots * seconds)
        try:
            warm(app, self.server, 1)
            worker.signal_all("STOP")
            app.tasks["nap"].submit_many({"seconds": 0.01} for _ in range(jobs))
            started = time.perf_counter()
            worker.signal_all("CONT")
            wait_until(lambda: drained(self.server.client), 60)
            return jobs / (time.perf_counter() - started)
        finally:
            worker.kill()

    def deep_queue(self, depth: int, sample: int = 8000) -> float:
        """Measure the drain rate of two solo consumers over the first jobs of a queue of *depth*."""
        self.server.client.flushall()
        app = create_app(self.url(LEASED))
        workers = self._workers(LEASED, 2)
        try:
            warm(app, self.server, 2)
            for worker in workers:
                worker.signal_all("STOP")
            self._copy_jobs(app, depth)
            started = time.perf_counter()
            for worker in workers:
                worker.signal_all("CONT")
            wait_until(lambda: self.server.client.llen("celery") <= depth - sample, 120)
            return sample / (time.perf_counter() - started)
        finally:
            for worker in workers:
                worker.kill()

    def _copy_jobs(self, app: Any, depth: int) -> None:
        """Queue copies of one admitted job, because admitting a million takes minutes."""
        app.tasks["sum_to_n"].apply_async((10,), task_id="0", countdown=3600)
        record: Any = self.server.client.dump("job:0")
        for start in range(1, depth, 1000):
            pipeline: Any = self.server.client.pipeline(transaction=False)
            for number in range(start, start + 1000):
                pipeline.restore(f"job:{number}", 0, record).lpush("celery", number)
            pipeline.execute()
