"""Define tasks that write to the job history in the database."""

from celery import current_task

from project.celery_config.task import shared_task
from project.settings import get_settings
from project.task_options.retry import ALWAYS


@shared_task(retry_policy=ALWAYS)
def hello() -> str:
    """Say hello and write a row to the job history (a small job, scheduled by HELLO_EVERY)."""
    from project.integrations.database.history import recorded  # noqa: PLC0415 - SQLAlchemy takes 18 MiB per process

    job = current_task.request
    with recorded(get_settings().database, job.id, "hello", job.hostname):
        return "Hello from the scheduler!"
