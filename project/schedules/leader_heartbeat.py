"""The heartbeat of the leading scheduler in Redis: its name, and the schedules that it cannot use."""

import json
import os
import socket
from typing import Any, NamedTuple

from redis import Redis

KEY = "schedules::leader"
LIFETIME = 15  # seconds; another scheduler replaces a crashed leader well before
HANDED_OVER = 2  # seconds in which another scheduler replaces one that stops


class Leader(NamedTuple):
    """The last heartbeat."""

    name: str
    seconds_ago: float
    errors: dict[str, str]


def write(client: Any, errors: dict[str, str]) -> None:
    """Record that this process leads and has just checked what is due; *errors*: the invalid entries, with reasons."""
    name = f"{socket.gethostname()}:{os.getpid()}"
    client.set(KEY, json.dumps({"name": name, "errors": errors}), px=LIFETIME * 1000)


def end(client: Any) -> None:
    """Record that this process no longer leads; the next leader may take over in a moment."""
    client.expire(KEY, HANDED_OVER)


def exists(client: Any) -> bool:
    """Tell whether a scheduler led until a moment ago."""
    return bool(client.exists(KEY))


def read(client: Redis) -> Leader | None:
    """Return the heartbeat of the leader, or None without a leader."""
    pipe: Any = client.pipeline(transaction=False)
    text, left = pipe.get(KEY).pttl(KEY).execute()
    if not text:
        return None
    return Leader(**json.loads(text), seconds_ago=max(0.0, LIFETIME - left / 1000))
