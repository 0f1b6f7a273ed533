"""Submit jobs for an experiment, wait for them, and print what was measured."""

import threading
from collections.abc import Iterable
from statistics import median
from typing import Any

from project.client import Client
from project.job_models import Job
from project.settings import get_settings


def client(retry_for: float = 30) -> Client:
    """Return a client of the stack that the settings name, as `make up` started it."""
    return Client(get_settings().url, retry_for)


def finished(api: Client, job_ids: Iterable[str], patience: float = 100) -> list[Job[Any]]:
    """Wait for the end of all jobs and return them."""
    jobs = [api.get(job_id, wait=patience) for job_id in job_ids]
    late = [job.job_id for job in jobs if not job.ready]
    if late:
        raise SystemExit(f"measure: {len(late)} jobs have not ended after {patience:.0f} s, such as {late[0]}")
    return jobs


def submit_all(tasks: list[tuple[str, dict[str, Any]]], clients: int = 4, **options: Any) -> list[str]:
    """Submit jobs over several connections at once; return their ids in the order of *tasks*."""
    ids = [""] * len(tasks)

    def submit(first: int) -> None:
        with client() as api:
            for number in range(first, len(tasks), clients):
                ids[number] = api.submit(*tasks[number], **options).job_id

    threads = [threading.Thread(target=submit, args=(first,)) for first in range(min(clients, len(tasks)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ids


def waited(job: Job[Any]) -> float:
    """Return the seconds from the submission of a job to its (last) start."""
    return (job.started_at - job.submitted_at).total_seconds() if job.started_at else 0.0


def ran(job: Job[Any]) -> float:
    """Return the seconds from the (last) start of a job to its end."""
    return (job.finished_at - job.started_at).total_seconds() if job.finished_at and job.started_at else 0.0


def span(jobs: list[Job[Any]]) -> float:
    """Return the seconds from the first start to the last end."""
    starts = [job.started_at for job in jobs if job.started_at]
    ends = [job.finished_at for job in jobs if job.finished_at]
    return (max(ends) - min(starts)).total_seconds()


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that *percent* of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def middle(values: Iterable[float]) -> float:
    """Return the median."""
    return median(list(values))


def show(name: str, **measured: float) -> None:
    """Print measured values, one to a line, so that a lab can name them."""
    for what, value in measured.items():
        print(f"{name}_{what}: {value:.4g}")
