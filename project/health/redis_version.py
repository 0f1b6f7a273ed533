"""Which Redis and Valkey servers this stack runs on, and which of them have known security holes in their Lua engine.

The stack's delivery rests on Lua scripts. CVE-2025-49844, 46817, 46818 and 46819 are fixed in the versions below:
https://redis.io/blog/security-advisory-cve-2025-49844/ and the release notes of Valkey 8.1.4.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OLDEST = (6, 2)  # Celery 5.7 needs it
# The first version with the fixes in each series; a series that is not named has them from its start if it is newer
# than all that are named, and not at all if it is older
FIXED = {
    "Redis": ((6, 2, 20), (7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2)),
    "Valkey": ((7, 2, 11), (8, 0, 6), (8, 1, 4), (9, 0, 0)),
}


@dataclass(frozen=True)
class RedisVersion:
    """What a server calls itself, and its version."""

    name: str
    number: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.number))}"

    @property
    def supported(self) -> bool:
        """Whether Celery works with it; Valkey began as Redis 7.2."""
        return self.number >= OLDEST

    @property
    def fixed(self) -> bool:
        """Whether the Lua engine has the fixes, judged by the number alone."""
        fixed = FIXED[self.name]
        return self.number >= fixed[-1] or any(self.number[:2] == first[:2] and self.number >= first for first in fixed)


def printed(text: str) -> RedisVersion | None:
    """Read what `redis-server --version` or `valkey-server --version` prints."""
    match = re.match(r"(Redis|Valkey) server v=(\d+)\.(\d+)\.(\d+)", text)
    return RedisVersion(match[1], tuple(map(int, match.groups()[1:]))) if match else None


def reported(info: Mapping[str, Any]) -> RedisVersion:
    """Read the answer of `INFO server`; Valkey's `redis_version` is only the Redis that it is compatible with."""
    name, version = ("Valkey", "valkey_version") if "valkey_version" in info else ("Redis", "redis_version")
    return RedisVersion(name, tuple(map(int, re.findall(r"\d+", str(info[version]))[:3])))
