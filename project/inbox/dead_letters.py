"""End the jobs of dead-lettered messages, as poison jobs end with leases, instead of losing them."""

from typing import Any

from celery import Celery
from celery.app.task import Context

from project.inbox.amqp_reader import Delivery
from project.inbox.messages import BadMessage
from project.leased_transport.errors import PoisonJob, Rejected


def end_job(app: Celery, max_attempts: int, delivery: Delivery) -> None:
    """End the job of a message in the queue `dead` and submit its `on_failure`; raise BadMessage if it has no job.

    A job that has expired is revoked; any other one fails.
    """
    headers = delivery.headers
    name, job_id = headers.get("task"), headers.get("id")
    if not (isinstance(name, str) and name in app.tasks and isinstance(job_id, str)):
        raise BadMessage(f"RabbitMQ dead-lettered it, and it is not a job of a known task: task {name!r}")
    backend, request, reason = app.tasks[name].backend, Context(headers), _last_death(headers)
    if reason == "expired":
        backend.mark_as_revoked(job_id, "expired", request)  # as a consumer does that receives it too late
    elif reason == "delivery_limit":
        text = f"the consumer crashed in each of {max_attempts} attempts"
        backend.mark_as_failure(job_id, PoisonJob(text), request=request)
    else:
        backend.mark_as_failure(job_id, Rejected("a consumer could not read the message"), request=request)


def _last_death(headers: dict[str, Any]) -> str:
    """Return why the queue of the job has dead-lettered it; for a delayed job, other queues had it before."""
    deaths = headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else None
    return str(last.get("reason")) if isinstance(last, dict) else ""
