"""Check the tasks that consumers announce: cards that cannot be used, contradictions, and jobs that would fail."""

from collections.abc import Iterator
from typing import Any

from celery import current_app
from redis.exceptions import RedisError

from project import redis_clients
from project.check import Check
from project.health.redis_check import unknown
from project.jobs import heartbeats
from project.settings import Settings

SHOWN = 5  # findings


def check(settings: Settings) -> Check:
    """Name what is wrong with announced tasks; the producer's log has the same reasons."""
    try:
        with redis_clients.client(settings) as client:
            current_app.announced.refresh(client)
            findings = list(_findings(current_app.announced, heartbeats.consumers(client, [])))
    except RedisError as error:
        return unknown("tasks", error)
    if findings:
        more = f"; and {len(findings) - SHOWN} more" if len(findings) > SHOWN else ""
        cure = "update or stop the consumers with the wrong code, or wait until the cards expire (CARD_TTL)"
        return Check("tasks", "warning", "; ".join(findings[:SHOWN]) + more, cure)
    return Check("tasks", "ok", f"announced by consumers, without code here: {len(current_app.announced.tasks)}")


def _findings(announced: Any, consumers: list[dict[str, Any]]) -> Iterator[str]:
    yield from (f"/{route}: {reason}" for route, reason in sorted(announced.conflicts.items()))
    yield from (f"card {name[:8]} cannot be used: {reason}" for name, reason in sorted(announced.broken.items()))
    for name, task in sorted(announced.tasks.items()):
        for consumer in consumers:
            # consumers of an older version do not say which tasks they have
            queue, who = task.queue_name, consumer["name"]
            if queue in consumer["queues"] and name not in consumer.get("tasks", [name]):
                yield f"{who} serves queue {queue} without the code of {name}, whose jobs would fail"
