"""Check that the Redis with the job records has free memory; when it is full, it accepts no jobs."""

from redis.exceptions import RedisError

from project import redis_clients
from project.check import Check
from project.settings import Settings

MIB = 1024 * 1024


def check(settings: Settings) -> Check:
    """Compare the memory that Redis uses with its limit."""
    try:
        memory = redis_clients.info(settings, "memory")
    except RedisError:
        return Check("memory", "failed", "unknown: Redis does not answer", "fix Redis first")
    if memory is None:
        return Check("memory", "ok", "unknown: Redis refuses INFO")
    used, limit = memory["used_memory"], memory["maxmemory"]
    if limit and used >= limit:
        found = f"Redis is out of memory: it uses {used // MIB} of {limit // MIB} MiB (maxmemory), and accepts no jobs"
        return Check("memory", "failed", found, "raise maxmemory, lower RESULT_TTL, or DELETE finished jobs")
    return Check("memory", "ok", f"Redis uses {used // MIB} MiB" + (f" of {limit // MIB}" if limit else ""))
