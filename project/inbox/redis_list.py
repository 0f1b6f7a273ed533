"""The Redis list `inbox`: find the next message, take it out, put it back, or reject it with a reason."""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from redis import Redis

from project.inbox.messages import LONGEST
from project.leased_transport.scripts import Script

INBOX, REJECTED = "inbox", "inbox:rejected"
KEPT = 10_000  # rejected messages; older ones are dropped
SHOWN = 10_000  # characters of a rejected message; they share Redis' memory with the jobs
REASON = 1000  # characters of a reason: it may quote the message
NEXT_MESSAGE, REJECT, PUT_BACK = (
    Script(name, Path(__file__).parent / "lua") for name in ("next_message", "reject", "put_back")
)

log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """A message of the list: its text, or the beginning of one longer than LONGEST, and its length in bytes."""

    text: bytes
    length: int


class InboxList:
    """The inbox and the rejected messages; celery_lists: where else to look for messages, as Celery clients send them.

    A message longer than LONGEST stays in Redis: it could fill the memory of every producer that reads it.
    """

    def __init__(self, client: Redis, celery_lists: Sequence[str]) -> None:
        self._client: Any = client
        self._keys = [INBOX, REJECTED, *celery_lists]

    def next(self, wait: float) -> Entry | None:
        """Return the next message, which stays in the list; wait so many seconds for one, and return None then."""
        renamed, *found = NEXT_MESSAGE(self._client, self._keys, [LONGEST, SHOWN])
        if renamed:
            log.error("the key %s or %s was not a list; it is called %s now", INBOX, REJECTED, renamed.decode())
        if found:
            return Entry(*found)
        # from the list's end to its end: the one way to wait for a message and leave it where it is
        self._client.blmove(INBOX, INBOX, wait, "RIGHT", "RIGHT")
        return None

    def take_out(self, text: bytes) -> bool:
        """Remove a message; return False if another producer was quicker."""
        return bool(self._client.lrem(INBOX, -1, text))

    def put_back(self, text: bytes) -> None:
        """Let a message that was taken out be the next one."""
        PUT_BACK(self._client, [INBOX], [text])

    def reject(self, entry: Entry, reason: str) -> None:
        """Move a message to the rejected ones."""
        rejected = _rejected(entry, reason)
        if REJECT(self._client, [INBOX, REJECTED], [entry.text, entry.length, rejected, KEPT]):
            log.warning("rejected a message of the inbox: %s", _short(reason))

    def keep(self, text: bytes, reason: str) -> None:
        """Keep a rejected message that RabbitMQ deletes when it is acknowledged."""
        rejected = _rejected(Entry(text, len(text)), reason)
        self._client.pipeline().lpush(REJECTED, rejected).ltrim(REJECTED, 0, KEPT - 1).execute()
        log.warning("rejected a message of RabbitMQ: %s", _short(reason))


def _rejected(entry: Entry, reason: str) -> str:
    """Return what is kept of a rejected message, as JSON."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = entry.text.decode(errors="backslashreplace")
    rejected = {"message": message[:SHOWN], "reason": _short(reason), "at": at}
    length = len(message) if entry.length == len(entry.text) else entry.length
    return json.dumps(rejected | {"length": length} if length > SHOWN else rejected)


def _short(reason: str) -> str:
    """Return the beginning of a reason, in characters that any log can carry."""
    text = reason.encode(errors="backslashreplace").decode()
    return text if len(text) <= REASON else f"{text[:REASON]}…"
