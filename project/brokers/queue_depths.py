"""Count a queue's jobs in Redis: those of the leased transport, and those that Celery's own transport holds there."""

from typing import Any

from redis import Redis

from project.leased_transport import keys

#: Keys of Celery's own transport, apart from those of the leased one, whose lists hold ids instead of messages.
STOCK_PREFIX = "stock:"


def stock_lists(queue: str) -> list[str]:
    """Return the lists that hold the messages of a queue of Celery's own transport, most urgent first."""
    return [STOCK_PREFIX + queue + (f"\x06\x16{step}" if step else "") for step in keys.PRIORITY_STEPS]


def depths(client: Redis, queue: str) -> dict[str, float | None]:
    """Return how many jobs wait, are delayed and run, and the age in seconds of the one that waits longest."""
    pipeline: Any = client.pipeline(transaction=False)
    # jobs that another kind of broker left behind count until they are moved
    for name in (*keys.waiting(queue), *stock_lists(queue)):
        pipeline.llen(name).lindex(name, -1)
    *waiting, delayed, running, clock = pipeline.zcard(keys.delayed(queue)).zcard(keys.leases(queue)).time().execute()
    heads = [raw.decode() for raw in waiting[1::2] if raw]
    for job_id in heads:
        pipeline.hget(keys.job(job_id), "submitted_at")
    submitted = [float(at) for at in pipeline.execute() if at] if heads else []
    age = max(0.0, clock[0] + clock[1] / 1e6 - min(submitted)) if submitted else None
    return {"waiting": sum(waiting[::2]), "delayed": delayed, "running": running, "oldest_age": age}
