"""The experiments: each is one function, which prints what it measured."""

import time
from argparse import Namespace
from collections import Counter
from datetime import datetime

from docs.labs.measure import jobs
from project.job_models import Change, Job


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


def waves(chosen: Namespace) -> None:
    """Submit jobs that are retried, and draw how many attempts start in each second."""
    starts: list[datetime] = []
    with jobs.client() as api, jobs.client() as events:
        stream = events.follow()
        ids = set(jobs.submit_all([(chosen.task, chosen.arguments)] * chosen.jobs))
        open_jobs = set(ids)
        for event in stream:
            if isinstance(event, Job) or event.job_id not in ids:
                continue
            if event.status == "STARTED":
                starts.append(event.at)
            if event.status in ("SUCCESS", "FAILURE"):
                open_jobs.discard(event.job_id)
            if not open_jobs:
                break
        jobs.finished(api, ids)
    _draw(chosen, starts)


def _draw(chosen: Namespace, starts: list[datetime]) -> None:
    """Print a bar for each second after the first attempt of all, and the share of the largest wave of retries."""
    first = min(starts)
    seconds = Counter(int((start - first).total_seconds()) for start in starts)
    for second in range(max(seconds) + 1):
        print(f"{second:3} s  {seconds[second]:3}  {'#' * seconds[second]}")
    retries = [count for second, count in seconds.items() if second >= 1]
    jobs.show(chosen.name, largest_wave=max(retries), retries=len(starts) - chosen.jobs)
