"""What RabbitMQ gives up ends as a failed job, as a poison job does with leases, instead of being forgotten."""

import logging
from typing import Any

from celery import Celery
from celery.app.task import Context

from project.broker.errors import PoisonJob, Rejected
from project.jobs.amqp_reader import Delivery

log = logging.getLogger(__name__)


def end_job(app: Celery, max_attempts: int, _: bytes, delivery: Delivery) -> None:
    """End the job of a message in the queue `dead`, and submit what follows its failure."""
    headers = delivery.message.headers
    task = app.tasks.get(headers.get("task"))
    if task is None or "id" not in headers:
        log.error("gave up a message that is no job of ours: %r", headers.get("task"))
        return
    task.backend.mark_as_failure(headers["id"], _reason(headers, max_attempts), request=Context(headers))


def _reason(headers: dict[str, Any], max_attempts: int) -> Exception:
    if headers.get("x-first-death-reason") == "delivery_limit":
        return PoisonJob(f"the consumer died in each of {max_attempts} attempts")
    return Rejected("a consumer could not read the message")
