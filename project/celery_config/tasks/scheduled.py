"""Define the tasks of schedules: `purge_records`, and notifications."""

from datetime import UTC, datetime, timedelta
from typing import Any

from celery import current_app, current_task

from project.celery_config.task import shared_task
from project.integrations import webhook
from project.leased_transport import keys
from project.schedules.store import INDEX, Store, as_stored
from project.settings import get_settings
from project.task_options.retry import ALWAYS, ONCE

BATCH = 1000  # members of an index that are checked in one round trip


@shared_task(queue="maintenance", retry_policy=ONCE)
def purge_records() -> dict[str, int]:
    """Delete old rows of the database, and remove expired entries from the indexes."""
    store, settings = Store(current_app), get_settings()
    # the indexes first: they must not grow while the database is unavailable
    jobs = _forget_gone(store.client, keys.RECENT, keys.job)
    schedules = _forget_gone(store.client, INDEX, str)
    from project.integrations.database import history as records_in_database  # noqa: PLC0415 - only what runs needs SQLAlchemy

    before = datetime.now(UTC) - timedelta(seconds=settings.records_ttl)
    return {"rows": records_in_database.purge(settings.database, before), "jobs": jobs, "schedules": schedules}


@shared_task(queue="notifications", retry_policy=ALWAYS, final_errors=(webhook.NotifyRefused,))
def notify(notification: dict[str, Any], schedule_id: str) -> str:
    """Send a notification to NOTIFY_URL, with the Authorization header of its reminder."""
    secret = Store(current_app).secret(schedule_id)
    if secret is None:
        return "not sent: the reminder was deleted, or ended a week ago"
    settings = get_settings()
    if not settings.notify_url.get_secret_value():
        return "not sent: NOTIFY_URL is empty"
    # the job may run twice; the key lets the receiver detect that
    key = f"{schedule_id} {current_task.request.id}"
    headers = {"Authorization": secret, "Idempotency-Key": key}
    webhook.post(settings, notification, headers)
    return "sent"


def _forget_gone(client: Any, index: str, key_of: Any) -> int:
    """Remove the members of a sorted set that have no key any more; return their number."""
    gone = []
    for first in range(0, client.zcard(index), BATCH):
        members = client.zrange(index, first, first + BATCH - 1)
        pipe = client.pipeline(transaction=False)
        for member in members:
            pipe.exists(as_stored(key_of(member)))
        gone += [as_stored(member) for member, there in zip(members, pipe.execute(), strict=True) if not there]
    return client.zrem(index, *gone) if gone else 0
