"""Tasks to learn with: one that keeps a processor busy, one that only waits."""

import time
from typing import Annotated

from pydantic import Field

from project.celery_config.job import shared_task


@shared_task(route="sum", queue="cpu")
def sum_to_n_job(number: Annotated[int, Field(ge=0, le=50_000_000, examples=[10])]) -> int:
    """Add the integers 1..number, one by one (CPU-bound on purpose)."""
    total = 0
    for addend in range(1, number + 1):
        total += addend
    return total


@shared_task(route="wait_and_return")
def wait_and_return(
    seconds: Annotated[float, Field(ge=0, le=60, examples=[2])] = 20,
    message: Annotated[str, Field(max_length=1000)] = "Hello World!",
) -> str:
    """Wait for some seconds and return the message (what a job that waits for others looks like)."""
    time.sleep(seconds)
    return message
