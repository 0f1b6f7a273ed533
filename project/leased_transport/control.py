"""Take a job back, or run it again: atomic steps on its record."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from redis import Redis

from . import records
from .scripts import Script

TAKE_BACK, REQUEUE = Script("take_back"), Script("requeue")

Outcome = Literal["cancelled", "stopped", "handed over"]


class TakenBack(NamedTuple):
    """What became of a job that was taken back, and its record afterwards (its last one, if handed over)."""

    outcome: Outcome
    record: dict[str, str]
    token: str
    nonce: str


def take_back(client: Redis, job_id: str, task: str = "", ttl: int = 86_400) -> TakenBack | None:
    """Revoke a job that waits or runs, hand over and forget one that has ended; None if there is no such job.

    A job that runs loses its lease at once, so whatever its process still reports is refused; stopping that process is
    the caller's business.
    """
    answer = TAKE_BACK(client, [records.key(job_id)], [job_id, task, ttl])
    if answer is None:
        return None
    outcome, token, flat = answer
    raw = dict(zip(flat[::2], flat[1::2], strict=True))
    record = records.readable(raw)
    assert record is not None
    return TakenBack(outcome.decode(), record, (token or b"").decode(), raw.get(b"nonce", b"").decode())


def requeue(client: Redis, job_ids: Sequence[str]) -> list[str]:
    """Let failed or revoked jobs wait again under their ids; return which did, leaving out jobs in any other state."""
    pipeline: Any = client.pipeline(transaction=False).script_load(REQUEUE.text)
    for job_id in job_ids:
        pipeline.evalsha(REQUEUE.sha, 1, records.key(job_id), job_id)
    return [job_id for job_id, done in zip(job_ids, pipeline.execute()[1:], strict=True) if done]
