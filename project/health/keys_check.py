"""Check that no other program has overwritten keys of the queues, as a program that shares their Redis can do."""

from celery import current_app
from redis.exceptions import RedisError

from project import redis_clients
from project.check import Check
from project.leased_transport import overwritten
from project.settings import Settings


def check(settings: Settings) -> Check:
    """Name the keys with values of another type."""
    try:
        with redis_clients.client(settings) as client:
            found = overwritten.find(client, sorted(current_app.amqp.queues))
    except RedisError:
        return Check("keys", "failed", "unknown: Redis does not answer", "fix Redis first")
    if found:
        cure = "let that program use another database of Redis, and delete these keys with `make redis-cli`"
        return Check("keys", "failed", f"another program has overwritten {', '.join(map(repr, found))}", cure)
    return Check("keys", "ok", "no key of a queue is overwritten")
