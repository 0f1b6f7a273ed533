"""Measure whether slots add up: `python -m benchmarks.slots` (about two minutes).

Jobs that wait for 10 ms each run on one consumer with the pool `forked` and 1, 2, 4 and 8 slots, alternating.
"""

import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.app import create_app
from benchmarks.drain import drained, warm
from tests.support.processes import RedisServer, Worker
from tests.support.wait import wait_until

SECONDS = 0.01  # of a job
JOBS_PER_SLOT = 400
SLOTS = (1, 2, 4, 8)
ROUNDS = 3


def main() -> None:
    """Measure each number of slots in each round, and print jobs per second and the share of a linear gain."""
    rates: dict[int, list[float]] = {slots: [] for slots in SLOTS}
    with TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        try:
            for _ in range(ROUNDS):
                for slots in SLOTS:
                    rates[slots].append(measure(server, Path(folder), slots))
        finally:
            server.kill()
    print(f"{'slots':>5} {'jobs/s':>7} {'min-max':>11} {'of linear':>9}")
    for slots, values in rates.items():
        share = median(values) / slots / median(rates[1])
        print(f"{slots:>5} {median(values):>7.0f} {min(values):>5.0f}-{max(values):<5.0f} {share:>9.2f}")


def measure(server: RedisServer, folder: Path, slots: int) -> float:
    """Return how many jobs per second a consumer with this number of slots ends."""
    server.client.flushall()
    app, jobs = create_app(server.url), slots * JOBS_PER_SLOT
    worker = Worker(server.url, folder, "slots", "forked", slots, "-l", "warning", app="benchmarks.app")
    try:
        warm(app, server, 1)
        worker.signal_all("STOP")
        app.tasks["nap"].submit_many({"seconds": SECONDS} for _ in range(jobs))
        begun = time.perf_counter()
        worker.signal_all("CONT")
        wait_until(lambda: drained(server.client), 300)
        return jobs / (time.perf_counter() - begun)
    finally:
        worker.kill()
        app.close()


if __name__ == "__main__":
    main()
