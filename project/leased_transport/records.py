"""What is known about a job: one Redis hash, `job:<id>`, from admission until its time to live is over."""

from bisect import bisect
from contextlib import suppress
from typing import Any

from redis import Redis

from . import scripts

#: What the protocol keeps in the record for itself.
INTERNAL = frozenset(
    {"message", "nonce", "token", "returned", "deaths", "step", "nesting", "exception", "meta", "left"}
    | {"broker", "queued", "asked", "moving", "claimed", "request"}
)
PRIORITY_STEPS = (0, 3, 5, 6, 9)  # a priority belongs to the last step that is not above it
RECENT_LIMIT = 10_000  # jobs in the index `jobs:recent`; older ones are found by their id only
DEFAULT_PRIORITY = 5  # of a job that names none: the middle step, so that there is something above and below it


def key(job_id: str) -> str:
    """Return the key of a job's record."""
    return f"job:{job_id}"


def lists(queue: str) -> list[str]:
    """Return the lists that hold a queue's waiting jobs, most urgent first."""
    return [queue if step == DEFAULT_PRIORITY else f"{queue}\x06\x16{step}" for step in PRIORITY_STEPS]


def step(priority: int | None) -> int:
    """Return the step that a priority belongs to."""
    return PRIORITY_STEPS[bisect(PRIORITY_STEPS, DEFAULT_PRIORITY if priority is None else priority) - 1]


def read(client: Redis, job_id: str) -> dict[str, str] | None:
    """Return a job's record, or None for a job that was never known or has expired.

    With the record: due_at, of a job that waits for its time, and leased_until, of one that runs (unix seconds; empty
    if it is neither, "inf" with a broker without leases).
    """
    fields, due, leased = scripts.READ(client, [key(job_id)], [job_id])
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
