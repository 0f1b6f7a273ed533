"""Measure the leased transport against kombu's own, alternating: `python -m benchmarks.broker [rounds]`."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import bare, peer
from benchmarks.app import create_app
from benchmarks.drain import drain, drained, fill, warm
from tests.support.processes import RedisServer, Worker
from tests.support.wait import wait_until

LEASED, STOCK = "redis", "redis+stock"


class Bench:
    """One Redis server and one folder for all measurements."""

    def __init__(self, folder: Path) -> None:
        """Start the server."""
        self.folder, self.server = folder, RedisServer(folder)

    def url(self, scheme: str) -> str:
        """Return the broker URL that selects a transport."""
        return self.server.url.replace("redis://", f"{scheme}://")

    def drain(self, pool: str, *slots: int, jobs: int) -> Callable[[str], float]:
        """Measure jobs per second; the leased transport gets more jobs so that both run about as long."""
        return lambda scheme: drain(
            self.server, self.folder, scheme, pool, slots, jobs * (3 if scheme == LEASED else 1)
        )

    def publish(self, scheme: str, jobs: int = 1500) -> float:
        """Measure .delay() calls per second of one thread."""
        self.server.client.flushall()
        task = create_app(self.url(scheme)).tasks["sum_to_n"]
        task.delay(10)
        started = time.perf_counter()
        for _ in range(jobs):
            task.delay(10)
        return jobs / (time.perf_counter() - started)

    def publish_batched(self, scheme: str, jobs: int = 3000) -> float:
        """Measure jobs per second through submit_many(); stock publishes one by one, as it ships."""
        if scheme == STOCK:
            return self.publish(scheme)
        self.server.client.flushall()
        app = create_app(self.url(scheme))
        started = time.perf_counter()
        fill(app, jobs)
        return jobs / (time.perf_counter() - started)

    def round_trip(self, scheme: str, jobs: int = 200) -> float:
        """Measure the median milliseconds from .delay() to .get() with an idle solo consumer."""
        self.server.client.flushall()
        app = create_app(self.url(scheme))
        worker = Worker(self.url(scheme), self.folder, "rt", "solo", 1, "-l", "warning", app="benchmarks.app")
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

    def memory(self, scheme: str, jobs: int = 20_000) -> float:
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
        workers = [Worker(self.url(scheme), self.folder, f"f{n}", "solo", 1, app="benchmarks.app") for n in (1, 2)]
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

    def compare(self, name: str, measure: Callable[[str], float], rounds: int) -> None:
        """Print one row: medians, ranges and the ratio."""
        values: dict[str, list[float]] = {STOCK: [], LEASED: []}
        for _ in range(rounds):
            for scheme in (STOCK, LEASED):
                values[scheme].append(measure(scheme))
        cells = [
            f"{statistics.median(values[s]):,.4g} ({min(values[s]):,.4g}-{max(values[s]):,.4g})"
            for s in (STOCK, LEASED)
        ]
        ratio = statistics.median(a / b for a, b in zip(values[LEASED], values[STOCK], strict=True))
        print(f"| {name} | {cells[0]} | {cells[1]} | {ratio:.2f} |", flush=True)

    def compare_with_peers(self, rounds: int) -> None:
        """Print the rates of two leased solo consumers, two huey processes, and two processes without a framework."""
        drains = {"huey": partial(peer.drain, jobs=10_000), "bare redis-py": partial(bare.drain, jobs=20_000)}
        leased = self.drain("solo", 1, 1, jobs=5000)
        for name, drain_peer in drains.items():
            pairs = [(drain_peer(self.server), leased(LEASED)) for _ in range(rounds)]
            _print_pairs(f"drain, two processes, jobs/s: {name}, leased", pairs)

    def deep_queue(self, depth: int, sample: int = 8000) -> float:
        """Measure the drain rate of two solo consumers over the first jobs of a queue of *depth*."""
        self.server.client.flushall()
        url, client = self.url(LEASED), self.server.client
        app = create_app(url)
        workers = [Worker(url, self.folder, f"d{n}", "solo", 1, "-l", "warning", app="benchmarks.app") for n in (1, 2)]
        try:
            warm(app, self.server, 2)
            for worker in workers:
                worker.send("STOP")
            app.tasks["sum_to_n"].apply_async((10,), task_id="0", countdown=3600)
            record: Any = client.dump("job:0")
            for start in range(1, depth, 1000):  # copies of one admitted job: admitting a million takes minutes
                pipeline: Any = client.pipeline(transaction=False)
                for number in range(start, start + 1000):
                    pipeline.restore(f"job:{number}", 0, record).lpush("celery", number)
                pipeline.execute()
            started = time.perf_counter()
            for worker in workers:
                worker.send("CONT")
            wait_until(lambda: client.llen("celery") <= depth - sample, 120)
            return sample / (time.perf_counter() - started)
        finally:
            for worker in workers:
                worker.kill()


def _print_pairs(name: str, pairs: list[tuple[float, float]]) -> None:
    """Print one row: the medians of each side, and of their ratios."""
    first, second = (statistics.median(rates) for rates in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"| {name} | {first:,.0f} | {second:,.0f} | {ratio:.2f} |", flush=True)


def main(rounds: int) -> None:
    """Print the table."""
    bench = Bench(Path(tempfile.mkdtemp()))
    print("| measure | stock: median (min-max) | leased: median (min-max) | ratio (median of rounds) |")
    print("|---|---|---|---|")
    try:
        bench.compare("drain, two solo consumers, jobs/s", bench.drain("solo", 1, 1, jobs=3000), rounds)
        bench.compare("drain, prefork -c 2, jobs/s", bench.drain("prefork", 2, jobs=2000), rounds)
        bench.compare("drain, threads -c 2, jobs/s", bench.drain("threads", 2, jobs=1500), rounds)
        bench.compare("publish one by one, jobs/s", bench.publish, rounds)
        bench.compare("publish in batches (stock: one by one), jobs/s", bench.publish_batched, rounds)
        bench.compare("round trip p50, ms", bench.round_trip, rounds)
        bench.compare("memory per queued job, bytes", bench.memory, 1)
        bench.compare("six 0.5 s jobs on two consumers, s", bench.fairness, min(rounds, 3))
        pairs = [(bench.deep_queue(10_000), bench.deep_queue(1_000_000)) for _ in range(min(rounds, 3))]
        _print_pairs("drain, leased: 10,000, 1,000,000 queued, jobs/s", pairs)
        bench.compare_with_peers(rounds)
    finally:
        bench.server.kill()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
