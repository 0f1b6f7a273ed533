"""Take one sample of everything that an overview shows, in a few round trips to Redis."""

import time
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from project.brokers import Broker
from project.jobs import heartbeats
from project.leased_transport import keys
from project.leased_transport.counts import Counts

MOST_RUNNING = 100  # running jobs of each queue that are looked at


@dataclass(frozen=True)
class Sample:
    """The queues (depths by name), what was counted in each, the consumers and the producers at a moment."""

    at: float
    queues: dict[str, dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)
    consumers: list[dict[str, Any]] = field(default_factory=list)
    producers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def in_system(self) -> dict[str, float]:
        """Return how many jobs wait or run, by queue."""
        return {name: depth["waiting"] + depth["running"] for name, depth in self.queues.items()}


def take(broker: Broker, queues: list[str]) -> Sample:
    """Return a sample; raise RedisError or OperationalError while Redis or the broker is away."""
    depths = broker.depths(queues)
    return Sample(
        at=time.time(),
        queues=depths,
        counts=_counts(broker.redis, queues),
        consumers=heartbeats.consumers(broker.redis, queues, MOST_RUNNING),
        producers=heartbeats.producers(broker.redis),
    )


def _counts(client: Redis, queues: list[str]) -> dict[str, Counts]:
    pipeline: Any = client.pipeline(transaction=False)
    for queue in queues:
        pipeline.hgetall(keys.counts(queue))
    answers = pipeline.execute(raise_on_error=False)  # another program may have overwritten one of the keys
    found = (answer if isinstance(answer, dict) else {} for answer in answers)
    return dict(zip(queues, map(Counts.of, found), strict=True))
