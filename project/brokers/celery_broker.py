"""Shared by the brokers with Celery's own transports: they keep the messages, and Redis keeps the records."""

from abc import abstractmethod
from typing import Any

from project.brokers import job_records, switching
from project.brokers.base import Broker
from project.brokers.job_records import JobMessage
from project.leased_transport.control import Outcome


class CeleryBroker(Broker):
    """A broker with Celery's own transport; job_records.py describes the order of the steps."""

    def celery_options(self) -> dict[str, Any]:
        """Return options with the result backend that writes job records."""
        backend = f"project.brokers.job_records:RecordBackend+{self.settings.redis}"
        return super().celery_options() | {"result_backend": backend}

    @abstractmethod
    def send(self, message: JobMessage) -> Any:
        """Send a job's message; raise OperationalError, or QueueFull if the queue is full and *message.must_fit*."""

    def publish(self, task: Any, args: Any, kwargs: Any, job_id: str | None, options: dict[str, Any]) -> Any:
        """Write the record of a job, then send its message."""
        return job_records.publish(task, args, kwargs, job_id, options)

    def requeue(self, job_ids: list[str]) -> list[str]:
        """Send the messages of failed or revoked jobs again; return the ids of the requeued jobs."""
        return [job_id for job_id in job_ids if job_records.requeue(self, job_id)]

    def run_name(self, outcome: Outcome) -> str:
        """Return the nonce of the message that started the run."""
        return outcome.nonce

    def take_over(self) -> int:
        """Send a message for each job that waits for another kind of broker."""
        return switching.send_all(self)
