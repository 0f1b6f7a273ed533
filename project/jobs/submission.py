"""What a client may wish for its job besides the arguments."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Submission:
    """How a job is submitted.

    request_id: tells a request that NGINX sends to a second producer from a second request.
    idempotency_key: names the client's intent; the same key means the same job.
    countdown: seconds from now; eta: the moment itself. priority: 0 is the most urgent, 9 the least.
    """

    job_id: str | None = None
    idempotency_key: str | None = None
    request_id: str | None = None
    countdown: float | None = None
    eta: datetime | None = None
    priority: int | None = None

    def options(self) -> dict[str, Any]:
        """Return what apply_async is told."""
        wishes = {"nonce": self.request_id, "countdown": self.countdown, "eta": self.eta, "priority": self.priority}
        return {name: value for name, value in wishes.items() if value is not None}
