"""Find jobs among the recent ones by task, status, queue, time, error and the text of their arguments."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from redis import Redis

from project.job_models import FailureGroup, Failures, JobPage, ListedJob, Searched
from project.jobs.arguments import redacted_arguments
from project.leased_transport import keys, listing, records, summaries
from project.leased_transport.listing import Criteria, Found

__all__ = ["Criteria", "failures", "find", "page"]

PATIENCE = 0.15  # seconds for a page
MOST_GROUPS = 100
BATCH = 200  # jobs whose arguments are read in one round trip


def page(app: Celery, criteria: Criteria, limit: int, before: float | None) -> JobPage:
    """Return a page of jobs; it has fewer than *limit* and a cursor if the time is over."""
    client = app.broker.redis
    found = find(app, criteria, limit, before, time.monotonic() + PATIENCE)
    jobs = [_listed(app, record) for record in summaries.read(client, found.ids)]
    complete = found.cursor is None or len(found.ids) >= limit
    return JobPage(jobs=jobs, next=found.cursor, searched=_searched(client, found.looked_at, complete))


def find(app: Celery, criteria: Criteria, limit: int, before: float | None, deadline: float) -> Found:
    """Return up to *limit* jobs; the text is looked for in the arguments as they are shown, without secrets."""
    client = app.broker.redis
    if not criteria.text:
        return listing.search(client, criteria, limit, before, deadline)
    found: list[str] = []
    wanted, looked_at, cursor = _spellings(criteria.text), 0, before
    criteria = replace(criteria, text=_longest_word(criteria.text))
    while True:
        # never more than the page still lacks: its cursor must be that of the last job that was looked at
        some = listing.search(client, criteria, max(1, min(BATCH, limit - len(found))), cursor, deadline)
        looked_at, cursor = looked_at + some.looked_at, some.cursor
        texts = ((job_id, text.casefold()) for job_id, text in _texts(app, some.ids))
        found += [job_id for job_id, text in texts if any(spelling in text for spelling in wanted)]
        if cursor is None or len(found) >= limit or time.monotonic() > deadline:
            return Found(found, cursor, looked_at)


def _spellings(text: str) -> set[str]:
    """Return how the text may be spelt in JSON: as part of the JSON itself, or inside a string, with quotes escaped."""
    return {text.casefold(), json.dumps(text, ensure_ascii=False)[1:-1].casefold()}


def _longest_word(text: str) -> str:
    """Return the longest part of a text that no encoding changes; Redis searches for that part."""
    return max(re.split(r"[^A-Za-z0-9 ._:/@-]+", text), key=len).lower()


def _texts(app: Celery, job_ids: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each job with its arguments as text."""
    pipeline: Any = app.broker.redis.pipeline(transaction=False)
    for job_id in job_ids:
        pipeline.hmget(keys.job(job_id), "task", "message")
    for job_id, (name, message) in zip(job_ids, pipeline.execute(), strict=True):
        shown = redacted_arguments(app, (name or b"").decode(errors="replace"), message)
        yield job_id, json.dumps(shown, ensure_ascii=False) if shown else ""


def _listed(app: Celery, record: dict[str, Any]) -> ListedJob:
    omitted = ["arguments" if name == "message" else name for name in record["omitted"]]
    shown = redacted_arguments(app, record["task"], record.pop("message"))
    return ListedJob.from_record(record["job_id"], record | {"omitted": omitted, "arguments": shown})


def _searched(client: Redis, looked_at: int, complete: bool) -> Searched:
    number, oldest = listing.extent(client)
    since = None if oldest is None else datetime.fromtimestamp(oldest, UTC)
    return Searched(jobs=looked_at, of=number, limit=records.RECENT_LIMIT, oldest=since, complete=complete)


def failures(app: Celery, task: str) -> Failures:
    """Return the failures among the recent jobs, grouped by task and type of error."""
    client = app.broker.redis
    raw, cursor, looked_at = listing.failures(client, task, time.monotonic() + PATIENCE)
    groups: dict[tuple[bytes, bytes], FailureGroup] = {}
    for each in raw:
        group = _group(each)
        if known := groups.get((each[0], each[1])):
            newest = max(known, group, key=lambda one: one.last_seen)
            seen = {"first_seen": min(known.first_seen, group.first_seen), "count": known.count + group.count}
            group = newest.model_copy(update=seen)
        groups[each[0], each[1]] = group
    ordered = sorted(groups.values(), key=lambda group: group.last_seen, reverse=True)
    searched = _searched(client, looked_at, cursor is None)
    return Failures(groups=ordered[:MOST_GROUPS], groups_total=len(ordered), searched=searched)


def _group(values: list[Any]) -> FailureGroup:
    task, kind, count, first, last, job_id, failure = values
    return FailureGroup(
        task=task.decode(errors="replace"),
        error_type=kind.decode(errors="replace"),
        count=count,
        first_seen=datetime.fromtimestamp(float(first), UTC),
        last_seen=datetime.fromtimestamp(float(last), UTC),
        latest=job_id.decode(errors="replace"),
        message=summaries.message_of(failure),
    )
