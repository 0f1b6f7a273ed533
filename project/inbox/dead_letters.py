"""Fail the jobs of dead-lettered messages, as poison jobs fail with leases, instead of losing them."""

from typing import Any

from celery import Celery
from celery.app.task import Context

from project.inbox.amqp_reader import Delivery
from project.inbox.messages import BadMessage
from project.leased_transport.errors import PoisonJob, Rejected


def end_job(app: Celery, max_attempts: int, delivery: Delivery) -> None:
    """Fail the job of a message in the queue `dead` and submit its `on_failure`; raise BadMessage if it has no job."""
    headers = delivery.headers
    name, job_id = headers.get("task"), headers.get("id")
    if not (isinstance(name, str) and name in app.tasks and isinstance(job_id, str)):
        raise BadMessage(f"RabbitMQ dead-lettered it, and it is not a job of a known task: task {name!r}")
    app.tasks[name].backend.mark_as_failure(job_id, _reason(headers, max_attempts), request=Context(headers))


def _reason(headers: dict[str, Any], max_attempts: int) -> Exception:
    if headers.get("x-first-death-reason") == "delivery_limit":
        return PoisonJob(f"the consumer crashed in each of {max_attempts} attempts")
    return Rejected("a consumer could not read the message")
