"""Read recent jobs, and those that run."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis import Redis

from . import keys, scripts
from .overwritten import naming

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
    """Return up to *count* recent jobs; fewer, with a cursor, if the deadline (of time.monotonic()) passes before."""
    found: list[str] = []
    cursor, looked_at = before, 0
    while True:
        limit = "+inf" if cursor is None else f"({cursor!r}"
        arguments = [limit, SCAN, count - len(found), *criteria.arguments()]
        with naming(keys.RECENT):
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
        with naming(keys.RECENT):
            below, number, *values = scripts.GROUP_FAILURES(client, [keys.RECENT], [limit, SCAN, task])
        groups += [values[i : i + 7] for i in range(0, len(values), 7)]
        looked_at += number
        cursor = float(below) if below else None
        if cursor is None or time.monotonic() > deadline:
            return groups, cursor, looked_at


def running(client: Redis, queues: list[str], most: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the jobs that are leased, *most* of each queue: the consumer, and job_id, task, queue and since."""
    pipeline: Any = client.pipeline(transaction=False)
    for queue in queues:
        pipeline.zrange(keys.leases(queue), 0, most - 1)
    leased = [ids for ids in pipeline.execute(raise_on_error=False) if isinstance(ids, list)]
    job_ids = [raw.decode(errors="replace") for ids in leased for raw in ids]
    for job_id in job_ids:
        pipeline.hmget(keys.job(job_id), "task", "started_at", "consumer", "queue")
    # without an error for a key that another program has overwritten
    for job_id, values in zip(job_ids, pipeline.execute(raise_on_error=False), strict=True):
        if isinstance(values, list) and all(values):
            task, since, consumer, queue = (value.decode(errors="replace") for value in values)
            yield consumer, {"job_id": job_id, "task": task, "queue": queue, "since": since}
