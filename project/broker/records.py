"""The record of a job: one Redis hash `job:<id>` from its admission until RESULT_TTL after its end."""

import json
import time
from typing import Any

from redis import Redis

NUMBERS = ("submitted_at", "started_at", "finished_at")


def key(job_id: str) -> str:
    """Return the Redis key of the job's record."""
    return f"job:{job_id}"


def admit(client: Redis, job_id: str, task: str, queue: str) -> None:
    """Write the record of a job that is about to be queued."""
    client.hset(key(job_id), mapping={"task": task, "queue": queue, "status": "PENDING", "submitted_at": time.time()})


def confirm(client: Redis, job_id: str) -> None:
    """Note that the job is queued: its producer may have died between the record and the queue."""
    client.hset(key(job_id), "queued", 1)


def is_queued(client: Redis, job_id: str) -> bool:
    """Say whether a job of this id is known to have been queued; a record alone is no proof."""
    return bool(client.hexists(key(job_id), "queued"))


def withdraw(client: Redis, job_id: str) -> None:
    """Remove the record of a job that could not be queued."""
    client.delete(key(job_id))


def read(client: Redis, job_id: str) -> dict[str, Any] | None:
    """Return the record of a job, or None if no job of this id is known."""
    stored: Any = client.hgetall(key(job_id))
    fields = {name.decode(): value.decode() for name, value in stored.items()}
    if not fields:
        return None
    record: dict[str, Any] = {**fields, "attempts": int(fields.get("attempts", 0))}
    record |= {name: float(fields[name]) for name in NUMBERS if name in fields}
    record |= {name: json.loads(fields[name]) for name in ("result", "error") if name in fields}
    return record
