"""What the producer does with a job's message and its queue, which differs with the kind of broker."""

from contextlib import suppress
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis

from project.brokers import job_records, queue_depths, rabbitmq
from project.brokers.broadcast import broadcast
from project.leased_transport import control
from project.leased_transport.control import Outcome
from project.settings import Settings


class Queueing:
    """With leases: the message is in the record, and queues are lists in the same Redis."""

    def __init__(self, app: Celery, client: Redis) -> None:
        self._app, self._redis = app, client

    def requeue(self, job_ids: list[str]) -> list[str]:
        """Let failed or revoked jobs wait again under their ids; return which did."""
        return control.requeue(self._redis, job_ids)

    def stop(self, job_id: str, run: Outcome) -> None:
        """End the process of a job that was taken back while it ran; if that fails, what it reports is refused."""
        self._tell_consumers(job_id, run.token)

    def depths(self, queues: list[str]) -> dict[str, dict[str, Any]]:
        """Return how many jobs wait, are delayed and run, and the age of the one that waits longest, per queue."""
        return {name: queue_depths.depths(self._redis, name) for name in queues}

    def ping(self) -> None:
        """Return if the broker can take jobs."""
        self._redis.ping()

    def _tell_consumers(self, job_id: str, run: str) -> None:
        with suppress(OperationalError):
            broadcast(self._app, "stop_job", {"job_id": job_id, "run": run})


class UnleasedQueueing(Queueing):
    """Without leases: the message has to be sent again, and its nonce names the run."""

    def requeue(self, job_ids: list[str]) -> list[str]:
        """Let failed or revoked jobs wait again under their ids; return which did."""
        return [job_id for job_id in job_ids if job_records.requeue(self._app, self._redis, job_id)]

    def stop(self, job_id: str, run: Outcome) -> None:
        """End the process of a job that was taken back while it ran; if that fails, what it reports is refused."""
        self._tell_consumers(job_id, run.nonce)


class AmqpQueueing(UnleasedQueueing):
    """With RabbitMQ: what waits is known there."""

    def depths(self, queues: list[str]) -> dict[str, dict[str, Any]]:
        """Return how many jobs wait, are delayed and run, per queue; RabbitMQ does not tell which waits longest."""
        waiting = rabbitmq.ready(self._app, queues)
        return {
            name: depth | {"waiting": waiting[name] + depth["waiting"]}
            for name, depth in super().depths(queues).items()
        }

    def ping(self) -> None:
        """Return if Redis and RabbitMQ can take jobs."""
        super().ping()
        rabbitmq.ready(self._app, [self._app.conf.task_default_queue])


def queueing_of(app: Celery, settings: Settings, client: Redis) -> Queueing:
    """Return how it is done with the broker that is set."""
    kinds = {"redis": Queueing, "rediss": Queueing, "amqp": AmqpQueueing, "amqps": AmqpQueueing}
    return kinds.get(settings.broker.partition(":")[0], UnleasedQueueing)(app, client)
