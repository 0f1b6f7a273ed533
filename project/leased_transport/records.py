"""What is known about a job: one Redis hash, `job:<id>`, from admission until its time to live is over."""

from contextlib import suppress
from typing import Any

from redis import Redis

from . import keys, scripts

#: What the protocol keeps in the record for itself.
INTERNAL = frozenset(
    {"message", "nonce", "token", "returned", "deaths", "step", "nesting", "exception", "meta", "left"}
    | {"broker", "queued", "asked", "moving", "claimed", "request"}
)
RECENT_LIMIT = 10_000  # jobs in the index `jobs:recent`; older ones are found by their id only


def read(client: Redis, job_id: str) -> dict[str, str] | None:
    """Return a job's record, or None for a job that was never known or has expired.

    With the record: due_at, of a job that waits for its time, and leased_until, of one that runs (unix seconds; empty
    if it is neither, "inf" with a broker without leases).
    """
    fields, due, leased = scripts.READ(client, [keys.job(job_id)], [job_id])
    record = readable(dict(zip(fields[::2], fields[1::2], strict=True)))
    return record and record | {"due_at": due.decode(), "leased_until": leased.decode()}


def readable(raw: Any) -> dict[str, str] | None:
    """Return what HGETALL answered as text, without what is internal; None for a job that is not known."""
    if not {b"status", b"task"} <= raw.keys():
        return None
    record = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in raw.items()}
    # Jobs handed back before they ran were taken, but not attempted.
    with suppress(ValueError):
        record["attempts"] = str(int(record.get("token", 0)) - int(record.get("returned", 0)))
    return {name: value for name, value in record.items() if name not in INTERNAL}
