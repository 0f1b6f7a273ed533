"""Break it: kill a consumer, freeze Redis, submit a poison job, slow a consumer down, flood a queue. With CHAOS=1 only.

Natively a consumer is killed by a signal, after a check that it belongs to this stack; in containers it ends itself.
Redis is frozen by its own command CLIENT PAUSE, which ends by itself, whatever happens to the producer.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from kombu.exceptions import OperationalError
from redis.exceptions import ResponseError

from project.errors import ChaosDisabled, ChaosImpossible
from project.jobs import heartbeats, own_processes
from project.jobs.service import Jobs
from project.settings import Settings

FROZEN = 5  # seconds
SHOWN = 10  # ids of jobs in an answer
DISABLED = (
    "CHAOS is not set: `make up` sets it when HTTP_BIND is a loopback address; elsewhere set CHAOS=1 for producer "
    "and consumers, and never where others rely on the stack"
)
FOREIGN_REDIS = "this Redis is not the stack's own (REDIS_URL, REDIS_HOST or BROKER_URL names another one)"
NO_CONSUMER = "no consumer is up"
EXPECT = {
    "kill-consumer": "The consumer gets SIGKILL and its jobs stay behind. Its leases expire, another consumer runs the "
    "jobs as a second attempt, and the consumer is started again.",
    "freeze-redis": f"Redis answers no client for {FROZEN} s. Submits get 503 at once, running jobs continue, and "
    "their results are written when it answers again.",
    "poison-job": "The job kills the process that runs it, each time. After MAX_ATTEMPTS attempts it fails, and all "
    "other jobs go on.",
    "slow-consumer": "Each job of the consumer waits before it begins: run times and utilisation rise, and the queue "
    "grows if jobs arrive faster.",
    "flood": "Hundreds of jobs arrive at once: the queue grows, waiting times rise, and all jobs are done in the end.",
}
#: What should happen instead with a broker that has no leases.
WITHOUT_LEASES = {
    "stock": {
        "kill-consumer": "The consumer gets SIGKILL and its jobs stay behind. This broker has no leases: the jobs look "
        "as if they were running until the visibility timeout has passed (an hour by default), and run again only "
        "then. The consumer is started again.",
        "poison-job": "The job kills the process that runs it, each time. This broker has no limit of attempts: "
        "the job runs again and again until it is cancelled.",
    },
    "amqp": {
        "kill-consumer": "The consumer gets SIGKILL and its jobs stay behind. RabbitMQ notices the lost connection and "
        "gives them to another consumer as a second attempt, and the consumer is started again.",
    },
}


@dataclass(frozen=True)
class Done:
    """What was done: to which consumer or server, with which jobs, and until when it lasts (unix seconds)."""

    target: str | None = None
    job_ids: list[str] = field(default_factory=list)
    until: float | None = None


class Chaos:
    """Breaks parts of this stack."""

    def __init__(self, jobs: Jobs, settings: Settings) -> None:
        self._jobs, self._settings = jobs, settings
        self._client = jobs.app.broker.redis

    def expect(self, action: str) -> str:
        """Return what should happen, with this kind of broker."""
        return WITHOUT_LEASES.get(self._jobs.app.broker.kind, {}).get(action) or EXPECT[action]

    def obstacle(self, action: str) -> str | None:
        """Return why an action is not possible here, or None."""
        if not self._settings.chaos:
            return DISABLED
        if action == "freeze-redis" and not self._owns_redis():
            return FOREIGN_REDIS
        if action in ("kill-consumer", "slow-consumer") and not self._consumers():
            return NO_CONSUMER
        return None

    def require_enabled(self) -> None:
        """Raise ChaosDisabled without CHAOS=1."""
        if not self._settings.chaos:
            raise ChaosDisabled(DISABLED)

    def require(self, action: str) -> None:
        """Raise ChaosDisabled or ChaosImpossible."""
        self.require_enabled()
        if reason := self.obstacle(action):
            raise ChaosImpossible(reason)

    def kill_consumer(self, name: str | None) -> Done:
        """Kill the consumer with this name; without a name, the busiest one."""
        consumer = self._chosen(name)
        if self._settings.in_containers:
            self._tell("chaos_exit", {"consumer": consumer["name"]})
        elif not own_processes.kill(consumer, self._settings):
            raise ChaosImpossible(f"the process of {consumer['name']} does not belong to this stack, or runs elsewhere")
        return Done(consumer["name"])

    def freeze_redis(self) -> Done:
        """Pause Redis for all clients for FROZEN seconds."""
        try:
            with self._jobs.available():
                self._client.client_pause(FROZEN * 1000, all=True)
        except ResponseError as error:
            raise ChaosImpossible(f"Redis refuses CLIENT PAUSE: {error}") from error
        return Done("redis", until=time.time() + FROZEN)

    def poison_job(self) -> Done:
        """Submit a job that kills its process."""
        return self._submit("crash", 1, {})

    def slow_consumer(self, name: str | None, seconds: float, delay: float) -> Done:
        """Slow down the consumer with this name; without a name, the busiest one."""
        consumer = self._chosen(name)
        self._tell("chaos_slow", {"consumer": consumer["name"], "seconds": seconds, "delay": delay})
        return Done(consumer["name"], until=time.time() + seconds)

    def flood(self, count: int) -> Done:
        """Submit many short jobs."""
        return self._submit("wait_and_return", count, {"seconds": 0.05, "message": "flood"})

    def _submit(self, task: str, count: int, arguments: dict[str, Any]) -> Done:
        job_ids = [str(uuid4()) for _ in range(count)]
        with self._jobs.admission():
            self._jobs.app.tasks[task].submit_many([arguments] * count, job_ids)
        return Done(job_ids=job_ids[:SHOWN])

    def _consumers(self) -> list[dict[str, Any]]:
        with self._jobs.available():
            return heartbeats.consumers(self._client, sorted(self._jobs.app.amqp.queues))

    def _chosen(self, name: str | None) -> dict[str, Any]:
        consumers = self._consumers()
        chosen = [each for each in consumers if each["name"] == name] if name else consumers
        if not chosen:
            raise ChaosImpossible(f"no consumer is called {name!r}" if name else NO_CONSUMER)
        weight: Callable[[dict[str, Any]], Any] = lambda each: (len(each["busy"]), "default" in each["queues"])  # noqa: E731
        return max(chosen, key=weight)

    def _tell(self, command: str, arguments: dict[str, Any]) -> None:
        try:
            self._jobs.app.broker.broadcast(command, arguments)
        except OperationalError as error:
            raise ChaosImpossible("the broker does not answer") from error

    def _owns_redis(self) -> bool:
        settings = self._settings
        return settings.own_redis or (settings.in_containers and not settings.redis_url)
