"""Choose the jobs whose events are sent: never a part of a job's events, and only as many jobs as Flower can follow."""

import math
import time
from zlib import crc32

JOBS_PER_SECOND = 1000  # of all consumers together; Flower needs a third of a core for them
ASKING_JOBS = 10  # jobs per batch that are still published without a listener, to notice when one connects
MEMORY = 10_000  # jobs that are remembered; more than run at a time
ANSWER_LIFETIME = 2  # seconds after which Redis's last answer is outdated: a busy consumer gets one more often

BEGIN = "task-received"
ENDS = frozenset(("task-succeeded", "task-failed", "task-retried", "task-rejected", "task-revoked"))


class EventSelection:
    """Decides once per attempt of a job, when it begins; the same job is chosen in each consumer, by a hash of its id.

    heard: whether anybody listened to the last batch of events.
    """

    def __init__(self) -> None:
        """Choose all jobs until Redis has answered for the first time."""
        self.heard = False
        self._begun = 0  # jobs since the last batch
        self._share, self._answered_at = 1.0, -math.inf
        self._running: dict[str, bool] = {}  # whether each job that has begun here is chosen

    def includes(self, kind: str, job_id: str) -> bool:
        """Tell whether to send an event."""
        if kind in ENDS:
            chosen = self._running.pop(job_id, None)
            # it began elsewhere, in a slot of the pool `forked` that was killed; or never, because it was revoked
            return self._chooses(job_id) if chosen is None else chosen
        if kind != BEGIN:
            return self._running.get(job_id, False)
        self._running[job_id] = chosen = self._chooses(job_id)
        if len(self._running) > MEMORY:  # a job whose process was lost has no last event
            del self._running[next(iter(self._running))]
        return chosen

    def _chooses(self, job_id: str) -> bool:
        self._begun += 1
        if time.monotonic() - self._answered_at > ANSWER_LIFETIME:
            return True
        if not self.heard:
            return self._begun <= ASKING_JOBS
        return self._share == 1 or crc32(job_id.encode(errors="surrogatepass")) < self._share * 2**32

    def begun(self) -> int:
        """Return how many jobs have begun since the last call."""
        begun, self._begun = self._begun, 0
        return begun

    def learn(self, listeners: int, rate: int) -> None:
        """Note how many listened to a batch, and how many jobs per second begin in all consumers."""
        self.heard = listeners > 0
        self._share, self._answered_at = min(1.0, JOBS_PER_SECOND / max(rate, 1)), time.monotonic()
        if not self.heard:
            self._running = dict.fromkeys(self._running, False)

    def take_over(self, other: "EventSelection") -> None:
        """Go on with what another selection has chosen and learnt."""
        self._running = other._running | self._running
        self.heard, self._begun = other.heard, self._begun + other._begun
        self._share, self._answered_at = other._share, other._answered_at
