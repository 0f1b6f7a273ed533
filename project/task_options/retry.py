"""Whether a job that failed is tried again: NEVER, ONCE or ALWAYS, in terms of Celery's own autoretry."""

from dataclasses import dataclass
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded

#: A job that was too slow once will be so again, and would hold a slot for the whole limit each time.
NEVER_AGAIN = (SoftTimeLimitExceeded, TimeLimitExceeded)


@dataclass(frozen=True)
class RetryPolicy:
    """How often a job that raised an error is tried again.

    Before try n+1 it waits in Redis for a random time up to 2^(n-1) seconds, at most 5 minutes ("full jitter"), so that
    jobs that failed together do not come back together. No consumer holds it meanwhile.
    """

    max_retries: int

    def celery_options(self, final_errors: tuple[type[Exception], ...]) -> dict[str, Any]:
        """Return the options of Celery's autoretry; exceeded time limits are final like the errors given."""
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
#: Capped: what has failed six times within half a minute will not be cured by another try at once.
ALWAYS = RetryPolicy(5)
