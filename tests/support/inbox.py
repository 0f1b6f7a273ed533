"""Helpers for the tests of the inbox."""

import json
from typing import Any

from project.inbox.redis_list import INBOX, REJECTED
from project.leased_transport import keys, records
from tests.support.wait import wait_until

LIMIT = 5  # jobs that a queue may hold in these tests
LARGEST_MAIL: dict[str, Any] = {
    "to": [f"ann{number}@example.org" for number in range(50)],
    "subject": "\U0001f600" * 200,
    "text": "\U0001f600" * 100_000,
    "html": "\U0001f600" * 100_000,
}


def push(redis: Any, *messages: Any) -> None:
    """Push messages in order; encode all but strings as JSON."""
    redis.lpush(INBOX, *(each if isinstance(each, str | bytes) else json.dumps(each) for each in messages))


def rejected(redis: Any, count: int = 1) -> list[dict[str, Any]]:
    """Wait for this number of rejected messages and return them, oldest first."""
    wait_until(lambda: redis.llen(REJECTED) == count, what=f"{count} messages are rejected")
    return [json.loads(raw) for raw in reversed(redis.lrange(REJECTED, 0, -1))]


def jobs(redis: Any, queue: str = "cpu") -> list[dict[str, Any]]:
    """Return the records of waiting jobs, the next one first, each with its id and its arguments."""
    ids = [raw.decode() for name in keys.waiting(queue) for raw in reversed(redis.lrange(name, 0, -1))]
    stored = [json.loads(redis.hget(keys.job(job_id), "message")) for job_id in ids]
    found = [records.read(redis, job_id) or {} for job_id in ids]
    return [
        record | {"job_id": job_id, "kwargs": json.loads(message[0])[1]}
        for job_id, record, message in zip(ids, found, stored, strict=True)
    ]
