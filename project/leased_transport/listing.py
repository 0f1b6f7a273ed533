"""Read recent jobs, and consumers with the jobs that they run."""

import json
from collections import defaultdict
from contextlib import suppress
from typing import Any

from redis import Redis
from redis.exceptions import ReadOnlyError

from . import keys, scripts

SCAN = 1000  # entries of the index per script call, which blocks Redis for about two milliseconds


def recent(
    client: Redis, count: int = 50, before: float | None = None, task: str | None = None, status: str | None = None
) -> tuple[list[str], float | None]:
    """Return the ids of up to *count* recent jobs, newest first, and the cursor of the next page (None at the end)."""
    found: list[str] = []
    cursor = before
    while True:
        limit = "+inf" if cursor is None else f"({cursor!r}"
        below, *ids = scripts.SEARCH(client, [keys.RECENT], [limit, SCAN, count - len(found), task or "", status or ""])
        found += [raw.decode() for raw in ids]
        cursor = float(below) if below else None
        if cursor is None or len(found) == count:
            return found, cursor


def consumers(client: Redis, queues: list[str], most: int = SCAN) -> list[dict[str, Any]]:
    """Return the consumers with a current heartbeat, each with the jobs that it runs: *most* of each queue."""
    members: Any = client.smembers(keys.CONSUMERS)
    names = sorted(raw.decode() for raw in members)
    known = client.mget([keys.consumer(name) for name in names]) if names else []
    busy = _running(client, queues, most)
    for name, raw in zip(names, known, strict=True):
        if raw is None:
            with suppress(ReadOnlyError):
                client.srem(keys.CONSUMERS, name)
    return [json.loads(raw) | {"busy": busy[name]} for name, raw in zip(names, known, strict=True) if raw]


def _running(client: Redis, queues: list[str], most: int) -> defaultdict[str, list[dict[str, str]]]:
    """Return the jobs that are leased, by consumer."""
    pipeline: Any = client.pipeline(transaction=False)
    for queue in queues:
        pipeline.zrange(keys.leases(queue), 0, most - 1)
    ids = [raw.decode() for leased in pipeline.execute() for raw in leased]
    running = defaultdict(list)
    for job_id in ids:
        pipeline.hmget(keys.job(job_id), "task", "started_at", "consumer", "queue")
    for job_id, values in zip(ids, pipeline.execute(), strict=True):
        if all(values):
            task, since, consumer, queue = (value.decode() for value in values)
            running[consumer].append({"job_id": job_id, "task": task, "queue": queue, "since": since})
    return running
