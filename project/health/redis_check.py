"""Check that the Redis of the job records has no known security holes."""

from redis.exceptions import RedisError

from project import redis_clients
from project.check import Check
from project.health import redis_version
from project.leased_transport.overwritten import name_in
from project.leased_transport.scripts import is_damage
from project.settings import Settings


def check(settings: Settings) -> Check:
    """Report the server and its version; warn if it lacks the fixes of the Lua engine."""
    try:
        server = redis_clients.info(settings, "server")
    except RedisError as error:
        return Check("Redis", "failed", *redis_clients.explain(error, own=settings.own_redis))
    if server is None:
        return Check("Redis", "ok", "answers, but does not reveal its version")
    return check_version(redis_version.reported(server))


def check_version(version: redis_version.RedisVersion) -> Check:
    """Report a failure for an unsupported version, and a warning for one without the fixes of the Lua engine."""
    if not version.supported:
        return Check("Redis", "failed", f"{version} is too old", "install Redis 7.4 or Valkey 8.1, or newer")
    if not version.fixed:
        found = (
            f"{version} has known vulnerabilities (CVE-2025-49844 and others), unless its distribution has fixed them"
        )
        return Check("Redis", "warning", found, f"install {_first_fixed(version)} or newer")
    return Check("Redis", "ok", f"{version} answers")


def unknown(name: str, error: RedisError) -> Check:
    """Return the finding of another check that could not read its keys."""
    if is_damage(error):
        return Check(name, "failed", f"unknown: {name_in(error) or 'a key'} is overwritten", "see the check `keys`")
    return Check(name, "failed", "unknown: Redis does not answer", "fix Redis first")


def _first_fixed(version: redis_version.RedisVersion) -> str:
    """Return the first version with the fixes that is newer than this one."""
    number = next(first for first in redis_version.FIXED[version.name] if first > version.number)
    return str(redis_version.RedisVersion(version.name, number))
