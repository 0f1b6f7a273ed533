"""The project's Celery app with tasks that only tests need; a worker runs it, and tests submit to it by name."""

import builtins
import os
import time

from redis import Redis

from project.celery_config.app import create_celery_app
from project.celery_config.job import shared_task
from project.celery_config.progress import report_progress
from project.celery_config.retry import ALWAYS, ONCE
from project.settings import Settings


def redis() -> Redis:
    """Return a client of the Redis that the tests look at."""
    return Redis.from_url(os.environ["BROKER_URL"].replace("+stock", ""))


def pass_gate(name: str) -> None:
    """Note that a job came to the gate, and wait there until the test opens it."""
    client = redis()
    client.rpush(f"came:{name}", os.getpid())
    client.blpop([f"gate:{name}"], timeout=20)


@shared_task()
def walk(name: str) -> str:
    """Report, wait at a gate, and arrive."""
    report_progress(0.25, "a quarter")
    pass_gate(name)
    report_progress(1, "there")
    return name


@shared_task()
def report_at_first(name: str) -> None:
    """Report only when it runs for the first time."""
    if redis().incr(f"runs:{name}") == 1:
        report_progress(0.25, "a quarter")
    pass_gate(name)


@shared_task()
def report_often(seconds: float) -> None:
    """Report, and report again, for some seconds."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        report_progress(1 - left / seconds)
        time.sleep(0.01)
    print("report_often: done", flush=True)


@shared_task(retry_policy=ALWAYS)
def fail_times(name: str, times: int) -> int:
    """Fail so many times, then return how often it ran."""
    runs = int(redis().incr(f"runs:{name}"))
    if runs <= times:
        raise ConnectionError(f"run {runs}")
    return runs


@shared_task(retry_policy=ONCE, final_errors=(LookupError,))
def fail_with(kind: str) -> None:
    """Fail with the built-in exception of that name."""
    raise getattr(builtins, kind)("on purpose")


@shared_task(retry_policy=ALWAYS, soft_time_limit=1)
def never_ends() -> None:
    """Run into the soft time limit."""
    time.sleep(20)


if "BROKER_URL" in os.environ:
    app = create_celery_app(Settings(_env_file=None))
