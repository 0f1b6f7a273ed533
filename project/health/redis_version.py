"""Tell whether a Redis or Valkey version is supported, and whether its Lua engine has known vulnerabilities.

The delivery of jobs depends on Lua scripts. CVE-2025-49844, 46817, 46818 and 46819 are fixed in the versions below:
https://redis.io/blog/security-advisory-cve-2025-49844/ and the release notes of Valkey 8.1.4.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OLDEST = (6, 2)  # Celery 5.7 needs it
# The first fixed version of each series. A series that is not listed is fixed if it is newer than all listed ones,
# and not fixed if it is older
FIXED = {
    "Redis": ((6, 2, 20), (7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2)),
    "Valkey": ((7, 2, 11), (8, 0, 6), (8, 1, 4), (9, 0, 0)),
}


@dataclass(frozen=True)
class RedisVersion:
    """The name and the version of a server."""

    name: str
    number: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.number))}"

    @property
    def supported(self) -> bool:
        """Tell whether Celery supports it; Valkey started as Redis 7.2."""
        return self.number >= OLDEST

    @property
    def fixed(self) -> bool:
        """Tell whether the Lua engine has the fixes, judged only by the version number."""
        fixed = FIXED[self.name]
        return self.number >= fixed[-1] or any(self.number[:2] == first[:2] and self.number >= first for first in fixed)


def printed(text: str) -> RedisVersion | None:
    """Parse the output of `redis-server --version` or `valkey-server --version`."""
    match = re.match(r"(Redis|Valkey) server v=(\d+)\.(\d+)\.(\d+)", text)
    return RedisVersion(match[1], tuple(map(int, match.groups()[1:]))) if match else None


def reported(info: Mapping[str, Any]) -> RedisVersion:
    """Parse the reply of `INFO server`; Valkey's `redis_version` is only the Redis that it is compatible with."""
    name, version = ("Valkey", "valkey_version") if "valkey_version" in info else ("Redis", "redis_version")
    return RedisVersion(name, tuple(map(int, re.findall(r"\d+", str(info[version]))[:3])))
