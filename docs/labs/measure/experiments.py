"""The experiments: each is one function, which prints what it measured."""

import time
from argparse import Namespace
from bisect import bisect_left
from collections import Counter
from datetime import UTC, datetime, timedelta

from docs.labs.measure import jobs
from project.job_models import Change


def watch(chosen: Namespace) -> None:
    """Follow one job from now to its end, and print every change with the seconds since now."""
    begun, starts = time.monotonic(), []
    with jobs.client() as api:
        for event in api.follow(chosen.job_id):
            at = time.monotonic() - begun
            if isinstance(event, Change) and event.status == "STARTED":
                starts.append(at)
            if isinstance(event, Change) or event.ready:
                print(f"{at:5.1f} s  {event.status:<8} {(event.consumer or '').partition('@')[0]}", flush=True)
        job = api.get(chosen.job_id)
    print(f"attempts: {job.attempts}")
    if starts:
        print(f"next_start: {starts[0]:.1f}")


def burst(chosen: Namespace) -> None:
    """Submit several equal jobs at once, wait for all, and print how long they waited, ran and took together."""
    tasks = [(chosen.task, chosen.arguments)] * chosen.jobs
    with jobs.client() as api:
        done = jobs.finished(api, jobs.submit_all(tasks, priority=chosen.priority))
    waits = [jobs.waited(job) for job in done]
    jobs.show(chosen.name, took=jobs.span(done))
    jobs.show(chosen.name, wait_p50=jobs.percentile(waits, 50), wait_p95=jobs.percentile(waits, 95))
    jobs.show(chosen.name, succeeded=sum(job.status == "SUCCESS" for job in done))


def report(chosen: Namespace) -> None:
    """Wait for one job and print how long it waited and ran."""
    with jobs.client() as api:
        job = jobs.finished(api, [chosen.job_id])[0]
    jobs.show(chosen.name, wait=jobs.waited(job), ran=jobs.ran(job))


def waves(chosen: Namespace) -> None:
    """Submit jobs that begin together and are retried, and draw how many attempts start in each second."""
    together = datetime.now(UTC) + timedelta(seconds=3)
    with jobs.client() as api:
        ids = jobs.submit_all([(chosen.task, chosen.arguments)] * chosen.jobs, eta=together.isoformat())
        jobs.finished(api, ids)
        starts = [[datetime.fromisoformat(run["started_at"]) for run in api.story(job_id)["runs"]] for job_id in ids]
    _draw(starts)
    retries = sorted(start for job in starts for start in job[1:])
    largest = max(bisect_left(retries, start + timedelta(seconds=1)) - n for n, start in enumerate(retries))
    jobs.show(chosen.name, retries=len(retries), largest_wave=largest)


def _draw(starts: list[list[datetime]]) -> None:
    """Print a bar for each second after the first attempt of all."""
    moments = [start for job in starts for start in job]
    seconds = Counter(int((moment - min(moments)).total_seconds()) for moment in moments)
    for second in range(max(seconds) + 1):
        print(f"{second:3} s  {seconds[second]:3}  {'#' * seconds[second]}")
