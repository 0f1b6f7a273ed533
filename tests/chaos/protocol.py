"""The steps of the protocol as short functions, for tests that act as producer and consumer themselves."""

from dataclasses import dataclass
from typing import Any

import orjson
from redis import Redis

from project.leased_transport import keys, scripts

QUEUE, LEASE, MAX_ATTEMPTS, TTL = "celery", 60, 3, 1000
MESSAGE = orjson.dumps(["[[], {}, {}]", None, "application/json", "utf-8", {"id": "x", "task": "add"}, {}])


@dataclass(frozen=True)
class Fetched:
    """A job and the token of the attempt that holds it."""

    id: str
    token: int


def admit(client: Redis, job_id: str, nonce: str, due: float | str = "", **options: Any) -> str:
    """Submit a job; return OK, EXISTS or FULL."""
    args = [job_id, nonce, "add", options.get("step", 5), MESSAGE, due, 0, options.get("token", ""), 0, "", 100]
    args += ["", "", 0]
    answer: bytes = scripts.ADMIT(client, [f"job:{job_id}", QUEUE], args)
    return answer.decode()


def fetch(client: Redis, n: int = 1, lease: float = LEASE, consumer: str = "test") -> list[Fetched]:
    """Fetch up to n jobs."""
    values = iter(scripts.FETCH(client, [QUEUE], [n, lease, consumer, 0, 3, 5, 6, 9]))
    return [Fetched(job_id.decode(), token) for job_id, token, *_ in zip(*[values] * 5, strict=True)]


def finish(client: Redis, job: Fetched, status: str = "SUCCESS") -> bool:
    """End a job; False if the attempt was fenced off."""
    refused = scripts.FINISH(client, [], [TTL, job.id, job.token, status, 2, "result", "1"])
    return not refused


def renew_and_reap(client: Redis, action: str = "renew", *jobs: Fetched, collect: bool = True) -> list[str]:
    """Renew leases or hand jobs back, and reap expired leases; return the ids of the leases that had been lost."""
    held = [value for job in jobs for value in (job.id, job.token, QUEUE)]
    lost, _ = scripts.RENEW_AND_REAP(client, [QUEUE] if collect else [], [action, LEASE, MAX_ATTEMPTS, TTL, *held])
    return [raw.decode().partition(":")[2] for raw in lost]


def expire(client: Redis, job_id: str) -> None:
    """Let the lease of a job expire now."""
    client.zadd(keys.leases(QUEUE), {job_id: 1}, xx=True)


def places(client: Redis, job_id: str) -> list[str]:
    """Return the places that have a job which can still run: waiting, delayed, leased."""
    raw = job_id.encode()
    lists = keys.waiting(QUEUE)
    found = ["waiting"] * sum(client.lrange(name, 0, -1).count(raw) for name in lists)
    found += ["delayed"] * (client.zscore(keys.delayed(QUEUE), job_id) is not None)
    return found + ["leased"] * (client.zscore(keys.leases(QUEUE), job_id) is not None)
