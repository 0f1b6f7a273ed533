"""What is known about a job: one Redis hash, `job:<id>`, from admission until its time to live is over."""

from typing import Any

from redis import Redis

from . import scripts

TASK, QUEUE, STATUS, CONSUMER, ATTEMPTS = "task", "queue", "status", "consumer", "attempts"
SUBMITTED_AT, STARTED_AT, FINISHED_AT = "submitted_at", "started_at", "finished_at"
RESULT, ERROR, TRACEBACK = "result", "error", "traceback"
#: What the protocol keeps in the record for itself.
INTERNAL = ("message", "nonce", "token", "returned", "deaths", "step", "nesting", "exception")
PRIORITY_STEPS = (0, 3, 6, 9)
RECENT, CHANNEL = "jobs:recent", "jobs"


def key(job_id: str) -> str:
    """Return the key of a job's record."""
    return f"job:{job_id}"


def lists(queue: str) -> list[str]:
    """Return the lists that hold a queue's waiting jobs, most urgent first."""
    return [queue if step == 0 else f"{queue}\x06\x16{step}" for step in PRIORITY_STEPS]


def read(client: Redis, job_id: str) -> dict[str, str] | None:
    """Return a job's record, or None for a job that was never known or has expired."""
    return _readable(client.hgetall(key(job_id)))


def _readable(raw: Any) -> dict[str, str] | None:
    if not raw:
        return None
    record = {name.decode(): value.decode(errors="replace") for name, value in raw.items()}
    # Jobs handed back before they ran were taken, but not attempted.
    record[ATTEMPTS] = str(int(record.get("token", 0)) - int(record.get("returned", 0)))
    return {name: value for name, value in record.items() if name not in INTERNAL}


def recent(
    client: Redis, count: int = 50, before: float | None = None, task: str | None = None, status: str | None = None
) -> tuple[list[dict[str, str]], float | None]:
    """Return up to *count* recent jobs, newest first, and the cursor of the next page (None at the end)."""
    found: list[dict[str, str]] = []
    cursor = before
    while True:
        limit = "+inf" if cursor is None else f"({cursor!r}"
        rows: Any = client.zrevrangebyscore(RECENT, limit, "-inf", start=0, num=count, withscores=True)
        ids = [raw.decode() for raw, _ in rows]
        for job_id, record, (_, cursor) in zip(ids, _records(client, ids), rows, strict=True):
            if record and task in (None, record.get(TASK)) and status in (None, record[STATUS]):
                found.append({"job_id": job_id, **record})
                if len(found) == count:
                    return found, cursor
        if len(rows) < count:
            return found, None


def _records(client: Redis, ids: list[str]) -> list[dict[str, str] | None]:
    pipeline = client.pipeline(transaction=False)
    for job_id in ids:
        pipeline.hgetall(key(job_id))
    return [_readable(raw) for raw in pipeline.execute()]


def cancel(client: Redis, job_id: str, ttl: int = 86_400) -> str | None:
    """Make sure a waiting job never runs; return the status it had before (None: unknown job)."""
    status = scripts.CANCEL(client, [key(job_id)], [job_id, ttl])
    return status.decode() if status else None


def requeue(client: Redis, job_id: str) -> bool:
    """Run a failed or cancelled job again under its id; False if it is in any other state."""
    return bool(scripts.REQUEUE(client, [key(job_id)], [job_id]))


def forget(client: Redis, job_id: str) -> bool:
    """Delete the record of a job that has ended; False (and no change) for any other."""
    status = client.hget(key(job_id), STATUS)
    return status in (b"SUCCESS", b"FAILURE", b"REVOKED") and bool(client.delete(key(job_id)))


def depths(client: Redis, queue: str) -> dict[str, float | None]:
    """Return how many jobs wait, are delayed and run, and the age in seconds of the one that waits longest."""
    pipeline: Any = client.pipeline(transaction=False)
    for name in lists(queue):
        pipeline.llen(name).lindex(name, -1)
    *waiting, delayed, running, clock = pipeline.zcard(f"delayed:{queue}").zcard(f"leases:{queue}").time().execute()
    heads = [raw.decode() for raw in waiting[1::2] if raw]
    for job_id in heads:
        pipeline.hget(key(job_id), SUBMITTED_AT)
    submitted = [float(at) for at in pipeline.execute() if at] if heads else []
    age = max(0.0, clock[0] + clock[1] / 1e6 - min(submitted)) if submitted else None
    return {"waiting": sum(waiting[::2]), "delayed": delayed, "running": running, "oldest_age": age}
