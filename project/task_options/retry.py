"""Retry policies for jobs that fail: NEVER, ONCE or ALWAYS, implemented by Celery's autoretry."""

from dataclasses import dataclass
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded

#: A job that was too slow will be too slow again, and hold a slot for the whole time limit.
NEVER_AGAIN = (SoftTimeLimitExceeded, TimeLimitExceeded)


@dataclass(frozen=True)
class RetryPolicy:
    """How often a job that raised an error is retried.

    Before retry n it waits in Redis for a random time up to 2^(n-1) seconds, at most 5 minutes ("full jitter"), so that
    jobs that failed together do not come back together. No consumer holds it while it waits.
    """

    max_retries: int

    def celery_options(self, final_errors: tuple[type[Exception], ...]) -> dict[str, Any]:
        """Return the options of Celery's autoretry; exceeded time limits are final too."""
        if not self.max_retries:
            return {}
        return {
            "autoretry_for": (Exception,),
            "dont_autoretry_for": (*final_errors, *NEVER_AGAIN),
            "max_retries": self.max_retries,
            "retry_backoff": 1,
            "retry_backoff_max": 300,
            "retry_jitter": True,
        }


NEVER = RetryPolicy(0)
ONCE = RetryPolicy(1)
#: Limited to five retries: they take about half a minute, and more of them would not help.
ALWAYS = RetryPolicy(5)
