"""Check that the Redis of the jobs has memory left: a full one accepts no job."""

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from project.integrations.check import Check
from project.settings import Settings

MIB = 1024 * 1024


def check(settings: Settings) -> Check:
    """Say how much memory Redis uses, and whether that is all that it may."""
    try:
        with Redis.from_url(settings.records, **settings.redis_options) as client:
            memory = client.info("memory")
    except ResponseError:  # a user of a hosted Redis may not be allowed to ask
        return Check("memory", "ok", "not known: Redis does not say")
    except RedisError:
        return Check("memory", "failed", "not known: Redis does not answer", "mend Redis first")
    used, limit = memory["used_memory"], memory["maxmemory"]
    if limit and used >= limit:
        found = f"Redis is out of memory: it uses {used // MIB} of {limit // MIB} MiB (maxmemory), and accepts no job"
        return Check("memory", "failed", found, "raise maxmemory, lower RESULT_TTL, or DELETE jobs that have ended")
    return Check("memory", "ok", f"Redis uses {used // MIB} MiB" + (f" of {limit // MIB}" if limit else ""))
