"""Check that every queue has a consumer: a job in a queue that nobody serves waits for ever."""

from celery import current_app
from redis import Redis
from redis.exceptions import RedisError

from project.integrations.check import Check
from project.leased_transport import listing
from project.settings import Settings


def check(settings: Settings) -> Check:
    """Say which queues are served by how many consumers, and which by none."""
    queues = sorted(current_app.amqp.queues)
    try:
        with Redis.from_url(settings.records, **settings.redis_options) as client:
            consumers = listing.consumers(client, queues)
    except RedisError:
        return Check("queues", "failed", "not known: Redis does not answer", "mend Redis first")
    serving = {name: sum(name in consumer["queues"] for consumer in consumers) for name in queues}
    found = ", ".join(f"{name}: {number}" for name, number in serving.items())
    if alone := [name for name, number in serving.items() if not number]:
        cure = f"start a consumer for {', '.join(alone)} (CONSUMERS, NOTIFICATION_CONSUMERS, MAINTENANCE_CONSUMERS)"
        return Check("queues", "failed", f"consumers of {found}", cure)
    return Check("queues", "ok", f"consumers of {found}")
