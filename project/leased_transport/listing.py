"""Read recent jobs, and consumers with the jobs that they run."""

import json
import math
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis import Redis
from redis.exceptions import ReadOnlyError

from . import keys, scripts

SCAN = 500  # entries of the index per script call, which blocks Redis for some milliseconds at most


@dataclass(frozen=True)
class Criteria:
    """Which jobs to find: fields that are empty or None match all.

    since, until: of the submission, unix seconds. text: what the message contains, in lower case.
    """

    task: str = ""
    status: str = ""
    queue: str = ""
    since: float | None = None
    until: float | None = None
    error_type: str = ""
    text: str = ""

    def arguments(self) -> list[Any]:
        """Return the last arguments of search.lua."""
        since, until = ("" if at is None else f"{at:.3f}" for at in (self.since, self.until))  # as records have it
        return [self.task, self.status, self.queue, since, until, self.error_type, self.text]


class Found(NamedTuple):
    """The ids of jobs, newest first; the cursor of the next page (None at the end); how many jobs were looked at."""

    ids: list[str]
    cursor: float | None
    looked_at: int


def recent(
    client: Redis, count: int = 50, before: float | None = None, task: str | None = None, status: str | None = None
) -> tuple[list[str], float | None]:
    """Return the ids of up to *count* recent jobs, newest first, and the cursor of the next page (None at the end)."""
    return search(client, Criteria(task or "", status or ""), count, before)[:2]


def search(
    client: Redis, criteria: Criteria, count: int, before: float | None = None, deadline: float = math.inf
) -> Found:
    """Return up to *count* recent jobs; fewer, with a cursor, if the time (of time.monotonic()) has come before."""
    found: list[str] = []
    cursor, looked_at = before, 0
    while True:
        limit = "+inf" if cursor is None else f"({cursor!r}"
        arguments = [limit, SCAN, count - len(found), *criteria.arguments()]
        below, number, *ids = scripts.SEARCH(client, [keys.RECENT], arguments)
        found += [raw.decode(errors="replace") for raw in ids]
        looked_at += number
        cursor = float(below) if below else None
        if cursor is None or len(found) == count or time.monotonic() > deadline:
            return Found(found, cursor, looked_at)


def extent(client: Redis) -> tuple[int, float | None]:
    """Return how many jobs the index of recent ones has, and when the oldest was listed."""
    pipeline: Any = client.pipeline(transaction=False)
    number, oldest = pipeline.zcard(keys.RECENT).zrange(keys.RECENT, 0, 0, withscores=True).execute()
    return number, oldest[0][1] if oldest else None


def failures(client: Redis, task: str, deadline: float) -> tuple[list[list[bytes]], float | None, int]:
    """Return groups of failures: task, type, count, first, last, id and error; the cursor; how many were looked at."""
    groups: list[list[bytes]] = []
    cursor, looked_at = None, 0
    while True:
        limit = "+inf" if cursor is None else f"({cursor!r}"
        below, number, *values = scripts.GROUP_FAILURES(client, [keys.RECENT], [limit, SCAN, task])
        groups += [values[i : i + 7] for i in range(0, len(values), 7)]
        looked_at += number
        cursor = float(below) if below else None
        if cursor is None or time.monotonic() > deadline:
            return groups, cursor, looked_at


def consumers(client: Redis, queues: list[str], most: int = 1000) -> list[dict[str, Any]]:
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
