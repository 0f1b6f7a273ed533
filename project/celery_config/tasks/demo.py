"""Demo tasks: two that are CPU-bound, one that only waits, and three that fail."""

import os
import signal
import time
from math import isfinite, isqrt
from typing import Annotated

from celery import current_task
from pydantic import Field

from project.celery_config.task import shared_task
from project.task_options.progress import report_progress
from project.task_options.retry import ALWAYS


@shared_task(route="sum", queue="cpu")
def sum_to_n_job(number: Annotated[int, Field(ge=0, le=50_000_000, examples=[10])]) -> int:
    """Add the integers 1..number, one by one (CPU-bound on purpose)."""
    total = 0
    for addend in range(1, number + 1):
        total += addend
    return total


@shared_task(route="count_primes", queue="cpu")
def count_primes(limit: Annotated[int, Field(ge=0, le=3_000_000, examples=[1_000_000])]) -> int:
    """Count the primes up to a limit by trial division (CPU-bound on purpose; reports its progress)."""
    found = 0
    for number in range(2, limit + 1):
        found += all(number % divisor for divisor in range(2, isqrt(number) + 1))
        if number % 1000 == 0:
            report_progress(number / limit, f"{found} primes up to {number}")
    return found


@shared_task(route="wait_and_return")
def wait_and_return(
    seconds: Annotated[float, Field(ge=0, le=60, examples=[2])] = 20,
    message: Annotated[str, Field(max_length=1000)] = "Hello World!",
) -> str:
    """Wait for some seconds and return the message (like a job that waits for another service)."""
    time.sleep(seconds)
    return message


@shared_task(route="divide")
def divide(dividend: Annotated[float, Field(examples=[10])], divisor: Annotated[float, Field(examples=[4])]) -> float:
    """Divide one number by another (fails with ZeroDivisionError when the divisor is 0)."""
    quotient = dividend / divisor
    if not isfinite(quotient):
        raise OverflowError(f"{dividend:g} / {divisor:g} is too large for a float")  # JSON has no infinity
    return quotient


@shared_task(route="flaky", retry_policy=ALWAYS)
def flaky(failures: Annotated[int, Field(ge=0, le=10)] = 2) -> str:
    """Fail a number of times, then succeed (retried up to 5 times)."""
    attempt = current_task.request.retries + 1
    if attempt <= failures:
        raise ConnectionError(f"attempt {attempt} failed on purpose")
    return f"attempt {attempt} succeeded"


@shared_task(route="crash", queue="cpu")
def crash() -> None:
    """Kill the process that runs the job, as the kernel does when memory runs out (fails after MAX_ATTEMPTS runs)."""
    os.kill(os.getpid(), signal.SIGKILL)
