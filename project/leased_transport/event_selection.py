"""Choose the jobs whose events are sent: never a part of a job's events, and only as many jobs as Flower can follow."""

import time
from zlib import crc32

JOBS_PER_SECOND = 1000  # of all consumers together; Flower needs a third of a core for them
ASKING_JOBS = 10  # the jobs whose events ask, once a second, whether anybody listens by now
MEMORY = 10_000  # chosen jobs that are remembered; more than run at a time
RATE_LIFETIME = 2  # seconds after which a rate that was measured says nothing any more

BEGIN = "task-received"
ENDS = frozenset(("task-succeeded", "task-failed", "task-retried", "task-rejected", "task-revoked"))


class EventSelection:
    """Decides once per attempt of a job, when it begins; the same job is chosen in each consumer, by a hash of its id.

    heard: whether anybody listened to the last batch of events.
    """

    def __init__(self) -> None:
        """Begin without any knowledge: the first jobs ask."""
        self.heard = False
        self._begun = 0  # jobs since the last batch
        self._share, self._measured_at = 1.0, 0.0
        self._chosen: dict[str, None] = {}  # a set that knows its oldest element

    def includes(self, kind: str, job_id: str) -> bool:
        """Tell whether to send an event."""
        if kind != BEGIN:
            included = job_id in self._chosen
            if kind in ENDS:
                self._chosen.pop(job_id, None)
            return included
        self._begun += 1
        if included := self._chooses(job_id):
            self._chosen[job_id] = None
            if len(self._chosen) > MEMORY:  # a job whose process was lost has no last event
                del self._chosen[next(iter(self._chosen))]
        return included

    def _chooses(self, job_id: str) -> bool:
        if not self.heard:
            return self._begun <= ASKING_JOBS
        if self._share == 1 or time.monotonic() - self._measured_at > RATE_LIFETIME:
            return True
        return crc32(job_id.encode(errors="surrogatepass")) < self._share * 2**32

    def begun(self) -> int:
        """Return how many jobs have begun since the last call."""
        begun, self._begun = self._begun, 0
        return begun

    def learn(self, listeners: int, rate: int) -> None:
        """Note how many listened to a batch, and how many jobs per second begin in all consumers."""
        self.heard = listeners > 0
        self._share, self._measured_at = min(1.0, JOBS_PER_SECOND / max(rate, 1)), time.monotonic()
        if not self.heard:
            self._chosen.clear()

    def take_over(self, other: "EventSelection") -> None:
        """Go on with what another selection has chosen and learnt."""
        self._chosen = other._chosen | self._chosen
        self.heard, self._begun = other.heard, self._begun + other._begun
        self._share, self._measured_at = other._share, other._measured_at
