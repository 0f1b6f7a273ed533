"""Makes each delay before a retry the longest of its policy; the consumer loads it as one of TASK_MODULES."""

from celery.app import autoretry
from celery.utils.time import get_exponential_backoff_interval


def _longest(factor: int, retries: int, maximum: int, full_jitter: bool) -> int:
    """Return the upper limit of the delay, in seconds; Celery would draw any number from 0 to it."""
    return int(get_exponential_backoff_interval(factor, retries, maximum))


autoretry.get_exponential_backoff_interval = _longest
