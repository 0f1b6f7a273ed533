"""Read the record of a job: the Redis hash `job:<id>`, from admission until it expires."""

from contextlib import suppress
from typing import Any

from redis import Redis

from . import keys, scripts
from .overwritten import naming
from .script_batch import ScriptBatch

#: Fields that only the protocol uses.
INTERNAL = frozenset(
    {"message", "nonce", "token", "returned", "deaths", "step", "nesting", "exception", "meta", "left"}
    | {"broker", "queued", "asked", "moving", "claimed", "request", "due", "runs_dropped"}
)
RECENT_LIMIT = 10_000  # jobs in the index `jobs:recent`; older jobs are found only by their id


def read(client: Redis, job_id: str) -> dict[str, str] | None:
    """Return a job's record, or None if the job was never known or has expired.

    Adds `due_at`, when a delayed job is due, and `leased_until`, when the lease of a running job expires: unix seconds,
    or empty; `leased_until` is "inf" with a broker without leases.
    """
    with naming(keys.job(job_id)):
        return _decode(scripts.READ(client, [keys.job(job_id)], [job_id]))


async def read_async(batch: ScriptBatch, job_id: str) -> dict[str, str] | None:
    """Do what read() does, from an event loop."""
    with naming(keys.job(job_id)):
        return _decode(await batch.run(scripts.READ, [keys.job(job_id)], [job_id]))


def _decode(answer: Any) -> dict[str, str] | None:
    fields, due, leased = answer
    record = readable(dict(zip(fields[::2], fields[1::2], strict=True)))
    return record and record | {"due_at": due.decode(), "leased_until": leased.decode()}


def readable(raw: Any) -> dict[str, str] | None:
    """Decode the answer of HGETALL and leave out internal fields; return None for an unknown job."""
    if not {b"status", b"task"} <= raw.keys():
        return None
    record = {name.decode(errors="replace"): value.decode(errors="replace") for name, value in raw.items()}
    # A job that was handed back before it ran was fetched, but not attempted.
    with suppress(ValueError):
        record["attempts"] = str(int(record.get("token", 0)) - int(record.get("returned", 0)))
    return {name: value for name, value in record.items() if name not in INTERNAL}
