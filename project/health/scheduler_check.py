"""Check that a scheduler leads and ticks: without one no schedule fires, and nothing else fails."""

from redis import Redis
from redis.exceptions import RedisError

from project.integrations.check import Check
from project.schedules import leader_heartbeat
from project.settings import Settings


def check(settings: Settings) -> Check:
    """Say which scheduler leads, when it ticked last, and which entries of beat_schedule it cannot use."""
    try:
        with Redis.from_url(settings.records, **settings.redis_options) as client:
            leader = leader_heartbeat.read(client)
    except RedisError:
        return Check("scheduler", "failed", "not known: Redis does not answer", "mend Redis first")
    if leader is None:
        cure = "start one, or read its log: it must say `this scheduler leads`"
        return Check(
            "scheduler", "failed", f"none has ticked for {leader_heartbeat.LIFETIME} s: no schedule fires", cure
        )
    if leader.errors:
        return Check("scheduler", "failed", "; ".join(leader.errors.values()), "correct these; the others fire")
    return Check("scheduler", "ok", f"{leader.name} leads, last tick {leader.seconds_ago:.1f} s ago")
