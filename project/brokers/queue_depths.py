"""Count a queue's jobs in Redis: those of the leased transport, and those that Celery's own transport holds there."""

from typing import Any

from redis import Redis

from project.brokers import base
from project.leased_transport import records


def depths(client: Redis, queue: str) -> dict[str, float | None]:
    """Return how many jobs wait, are delayed and run, and the age in seconds of the one that waits longest."""
    pipeline: Any = client.pipeline(transaction=False)
    # jobs that another kind of broker left behind count until they are moved
    for name in (*records.lists(queue), *base.stock_lists(queue)):
        pipeline.llen(name).lindex(name, -1)
    *waiting, delayed, running, clock = pipeline.zcard(f"delayed:{queue}").zcard(f"leases:{queue}").time().execute()
    heads = [raw.decode() for raw in waiting[1::2] if raw]
    for job_id in heads:
        pipeline.hget(records.key(job_id), "submitted_at")
    submitted = [float(at) for at in pipeline.execute() if at] if heads else []
    age = max(0.0, clock[0] + clock[1] / 1e6 - min(submitted)) if submitted else None
    return {"waiting": sum(waiting[::2]), "delayed": delayed, "running": running, "oldest_age": age}
