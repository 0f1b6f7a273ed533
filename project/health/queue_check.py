"""Check that every queue has a consumer; without one its jobs wait forever."""

from celery import current_app
from redis.exceptions import RedisError

from project import redis_clients
from project.check import Check
from project.health.redis_check import unknown
from project.jobs import heartbeats
from project.settings import Settings


def check(settings: Settings) -> Check:
    """Count the consumers of each queue, and name the queues without any."""
    announced = current_app.announced
    try:
        with redis_clients.client(settings) as client:
            announced.refresh(client)
            queues = sorted(current_app.amqp.queues)
            consumers = heartbeats.consumers(client, queues)
    except RedisError as error:
        return unknown("queues", error)
    serving = {name: sum(name in consumer["queues"] for consumer in consumers) for name in queues}
    found = ", ".join(f"{name}: {number}" for name, number in serving.items())
    unserved = [name for name, number in serving.items() if not number]
    if unserved and announced.queues.issuperset(unserved):
        cure = f"start a consumer for {', '.join(unserved)}, or wait until the cards of its tasks expire (CARD_TTL)"
        return Check("queues", "warning", f"consumers of {found}", cure)
    if unserved:
        names = "CONSUMERS, CONSUMER_QUEUES, NOTIFICATION_CONSUMERS, MAINTENANCE_CONSUMERS"
        cure = f"start a consumer for {', '.join(unserved)} ({names})"
        return Check("queues", "failed", f"consumers of {found}", cure)
    return Check("queues", "ok", f"consumers of {found}")
