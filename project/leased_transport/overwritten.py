"""Keys that another program has overwritten with a value of another type: find them, and name them in errors."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from . import keys

TEXT = "another program has overwritten the key"  # as in lua/common.lua
_NAMED = re.compile(f"{TEXT} (.+?)(?: script: |$)", re.DOTALL)  # Redis adds where in the script the error was raised

#: The types of the keys that all queues share.
SHARED = {
    keys.RECENT: b"zset",
    keys.FETCH_COUNTS: b"hash",
    keys.INBOX: b"list",
    keys.CONSUMERS: b"set",
    keys.PRODUCERS: b"set",
    keys.broker("stock"): b"set",
    keys.broker("amqp"): b"set",
}


def find(client: Redis, queues: Sequence[str]) -> list[str]:
    """Return the keys of these queues, and those that all queues share, that have another type than the transport's."""
    expected = dict(SHARED)
    for queue in queues:
        expected |= dict.fromkeys([*keys.waiting(queue), keys.wake_up(queue)], b"list")
        expected |= dict.fromkeys([keys.delayed(queue), keys.leases(queue)], b"zset")
        expected[keys.counts(queue)] = b"hash"
    pipeline: Any = client.pipeline(transaction=False)
    for key in expected:
        pipeline.type(key)
    found = zip(expected.items(), pipeline.execute(), strict=True)
    return [key for (key, kind), actual in found if actual not in (kind, b"none")]


@contextmanager
def naming(key: str) -> Iterator[None]:
    """Run a block that reads a key; if another program has overwritten it, let the error name it."""
    try:
        yield
    except ResponseError as exc:
        if "WRONGTYPE" not in str(exc) or name_in(exc):
            raise
        raise ResponseError(f"WRONGTYPE {TEXT} {key}") from exc


def name_in(exc: Exception) -> str | None:
    """Return the overwritten key that an error names, if it names one."""
    found = _NAMED.search(str(exc))
    return found[1] if found else None
