"""Check that a scheduler leads and ticks; without one no schedule fires, and nothing else shows it."""

from redis.exceptions import RedisError

from project import redis_clients
from project.check import Check
from project.schedules import leader_heartbeat
from project.settings import Settings


def check(settings: Settings) -> Check:
    """Report the leader, its last tick, and the invalid entries of beat_schedule."""
    try:
        with redis_clients.client(settings) as client:
            leader = leader_heartbeat.read(client)
    except RedisError:
        return Check("scheduler", "failed", "unknown: Redis does not answer", "fix Redis first")
    if leader is None:
        cure = "start one, or look for `this scheduler leads` in its log"
        return Check(
            "scheduler", "failed", f"no scheduler has ticked for {leader_heartbeat.LIFETIME} s: no schedule fires", cure
        )
    if leader.errors:
        return Check("scheduler", "failed", "; ".join(leader.errors.values()), "correct these; the others fire")
    return Check("scheduler", "ok", f"{leader.name} leads, last tick {leader.seconds_ago:.1f} s ago")
