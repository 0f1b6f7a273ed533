"""Access the Redis list `inbox`: peek at the next message, remove it, put it back, or reject it with a reason."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError

from project.inbox.messages import LONGEST
from project.leased_transport.scripts import Script

INBOX, REJECTED = "inbox", "inbox:rejected"
KEPT = 10_000  # rejected messages; older ones are dropped
SHOWN = 10_000  # characters of a rejected message; they share Redis's memory with the jobs
REASON = 1000  # characters of a reason, which may quote the message
COPY_TTL = 24 * 60 * 60  # seconds that Redis keeps a copy of a message whose producer was killed before it was a job
NEXT_MESSAGE, REJECT, REMOVE, PUT_BACK = (
    Script(name, Path(__file__).parent / "lua") for name in ("next_message", "reject", "remove", "put_back")
)

log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """A message in the list: its text (only the beginning if it is longer than LONGEST) and its length in bytes."""

    text: bytes
    length: int


class InboxList:
    """The inbox and the rejected messages; celery_lists: other lists, to which Celery clients send messages.

    Only the beginning of a message longer than LONGEST is read: the whole could fill a producer's memory.
    """

    def __init__(self, client: Redis, celery_lists: Sequence[str]) -> None:
        self._client: Any = client
        self._keys = [INBOX, REJECTED, *celery_lists]
        self._copy = ""  # the key of the message that was removed last and may have to be put back

    def next(self, wait: float) -> Entry | None:
        """Return the next message without removing it; wait *wait* seconds for one, then return None."""
        renamed, *found = NEXT_MESSAGE(self._client, self._keys, [LONGEST, SHOWN])
        if renamed:
            log.error("the key %s or %s was not a list; it was renamed to %s", INBOX, REJECTED, renamed.decode())
        if found:
            return Entry(*found)
        # from the list's end to the same end: the only way to wait for a message without removing it
        self._client.blmove(INBOX, INBOX, wait, "RIGHT", "RIGHT")
        return None

    @contextmanager
    def removed(self, text: bytes) -> Iterator[bool]:
        """Remove a message while the block submits it, or yield False if another producer was faster.

        If the block fails, the message is the next one again: at once, or with put_back() when Redis answers again.
        """
        self._copy = f"{INBOX}:copy:{uuid4()}"
        try:
            yield bool(REMOVE(self._client, [INBOX, self._copy], [text, COPY_TTL]))
        except Exception:
            self.put_back()
            raise
        copy, self._copy = self._copy, ""
        with suppress(RedisError):
            self._client.delete(copy)

    def put_back(self) -> None:
        """Put the message that was removed last back if it is no job; raise RedisError while Redis is away."""
        if self._copy:
            PUT_BACK(self._client, [INBOX, self._copy], [])
            self._copy = ""

    def reject(self, entry: Entry, reason: str) -> None:
        """Move a message to the rejected messages."""
        rejection = _rejection(entry, reason)
        if REJECT(self._client, [INBOX, REJECTED], [entry.text, entry.length, rejection, KEPT]):
            log.warning("rejected a message of the inbox: %s", _short(reason))

    def add_rejected(self, text: bytes, reason: str) -> None:
        """Store a rejected message from RabbitMQ, which deletes it when it is acknowledged."""
        rejection = _rejection(Entry(text, len(text)), reason)
        self._client.pipeline().lpush(REJECTED, rejection).ltrim(REJECTED, 0, KEPT - 1).execute()
        log.warning("rejected a message of RabbitMQ: %s", _short(reason))


def _rejection(entry: Entry, reason: str) -> str:
    """Return the stored form of a rejected message, as JSON."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = entry.text.decode(errors="backslashreplace")
    rejection = {"message": message[:SHOWN], "reason": _short(reason), "at": at}
    length = len(message) if entry.length == len(entry.text) else entry.length
    return json.dumps(rejection | {"length": length} if length > SHOWN else rejection)


def _short(reason: str) -> str:
    """Return the beginning of a reason, in characters that any log can store."""
    text = reason.encode(errors="backslashreplace").decode()
    return text if len(text) <= REASON else f"{text[:REASON]}…"
