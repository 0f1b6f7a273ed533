"""The leading scheduler's sign of life in Redis: who leads, and what it cannot use."""

import json
import os
import socket
from typing import Any, NamedTuple

from redis import Redis

KEY = "schedules::leader"
LIFETIME = 15  # seconds; a leader that dies is followed by another one well before
HANDED_OVER = 2  # seconds in which another scheduler follows one that stops


class Leader(NamedTuple):
    """What the leader wrote last."""

    name: str
    seconds_ago: float
    errors: dict[str, str]


def write(client: Any, errors: dict[str, str]) -> None:
    """Note that this process leads and has just looked for what is due; *errors*: of the stack's own schedules."""
    name = f"{socket.gethostname()}:{os.getpid()}"
    client.set(KEY, json.dumps({"name": name, "errors": errors}), px=LIFETIME * 1000)


def end(client: Any) -> None:
    """Note that this process leads no more; the next leader may be here in a moment."""
    client.expire(KEY, HANDED_OVER)


def exists(client: Any) -> bool:
    """Tell whether some scheduler led until a moment ago."""
    return bool(client.exists(KEY))


def read(client: Redis) -> Leader | None:
    """Return the sign of life of the leader, or None if there is none."""
    pipe: Any = client.pipeline(transaction=False)
    text, left = pipe.get(KEY).pttl(KEY).execute()
    if not text:
        return None
    return Leader(**json.loads(text), seconds_ago=max(0.0, LIFETIME - left / 1000))
