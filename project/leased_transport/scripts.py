"""The Lua scripts: each runs as one atomic step inside Redis."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError, NoScriptError, RedisError, ResponseError

FOLDER = Path(__file__).parent / "lua"
#: Errors of Redis while it starts, fails over, cannot write to its disk or runs a long script: a later retry succeeds.
TRANSIENT = (
    *("READONLY", "LOADING", "TRYAGAIN", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS"),
    *("MISCONF", "UNBLOCKED", "BUSY "),
)
#: Errors of commands whose key holds what another program wrote: no later retry succeeds.
DAMAGE = ("WRONGTYPE", "not an integer", "would overflow")
FULL = "used memory > 'maxmemory'"  # in the error texts of all versions of Redis and Valkey


class Script:
    """A Lua script, called by its hash, and sent in full if Redis does not know it."""

    def __init__(self, name: str, folder: Path = FOLDER, *, repeatable: bool = True) -> None:
        """Read the script, and common.lua, which precedes every script.

        *repeatable*: a call whose answer was lost may be made again.
        """
        self.repeatable = repeatable
        self.text = (FOLDER / "common.lua").read_text() + (folder / f"{name}.lua").read_text()
        self.sha = hashlib.sha1(self.text.encode()).hexdigest()

    def __call__(self, client: Redis, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run the script; raise redis-py's ConnectionError for transient errors."""
        try:
            try:
                return client.evalsha(self.sha, len(keys), *keys, *args)
            except NoScriptError:
                return client.eval(self.text, len(keys), *keys, *args)
        except ResponseError as exc:
            raise recoverable(exc) from exc


def recoverable(exc: Exception) -> Exception:
    """Return a ConnectionError in place of a transient error, because callers retry that; return others unchanged."""
    text = f"{type(exc).__name__} {exc}".upper()  # redis-py turns the first word of some answers into a class
    return ConnectionError(str(exc)) if any(word in text for word in TRANSIENT) else exc


def is_damage(exc: Exception) -> bool:
    """Tell whether Redis answers, but another program has damaged a key; also of kombu's error for it."""
    cause = exc if isinstance(exc, RedisError) else exc.__cause__
    return isinstance(cause, ResponseError) and any(text in str(cause) for text in DAMAGE)


def is_full(exc: Exception) -> bool:
    """Return whether Redis has refused a command because it is out of memory (maxmemory)."""
    return FULL in str(exc)


ADMIT, FETCH, RENEW_AND_REAP, FINISH = map(Script, ("admit", "fetch", "renew_and_reap", "finish"))
READ, SEARCH, SUMMARIZE, GROUP_FAILURES = map(Script, ("read", "search", "summarize", "group_failures"))
CANCEL_OR_COLLECT = Script("cancel_or_collect", repeatable=False)  # the second call would not find the job
REQUEUE, PURGE = map(Script, ("requeue", "purge"))
LINK_EDITED = Script("link_edited")
# the records of jobs with messages in another kind of broker
REGISTER, CONFIRM_SENT, PREPARE_REQUEUE = map(Script, ("register", "confirm_sent", "prepare_requeue"))
BEGIN, REPORT = map(Script, ("begin", "report"))
ADOPT, CLAIM, CONFIRM_MOVE = map(Script, ("adopt", "claim", "confirm_move"))
PUBLISH_EVENTS = Script("publish_events")
