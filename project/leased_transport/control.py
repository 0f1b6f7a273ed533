"""Cancel, collect and requeue jobs, each in one atomic step."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from redis import Redis

from . import keys, records, scripts
from .overwritten import naming
from .script_batch import ScriptBatch


class Outcome(NamedTuple):
    """What was done with a job, and its record afterwards (its last one, if it was collected)."""

    action: Literal["cancelled", "stopped", "collected"]
    record: dict[str, str]
    token: str
    nonce: str


def cancel_or_collect(client: Redis, job_id: str, task: str = "", ttl: int = 86_400) -> Outcome | None:
    """Revoke a job that waits or runs, or return and delete the record of one that has ended.

    Returns None for a job that is unknown, revoked or of another task. A running job loses its lease at once, so
    whatever its process still reports is refused; the caller has to stop that process.
    """
    return _decode(scripts.CANCEL_OR_COLLECT(client, [keys.job(job_id)], [job_id, task, ttl]))


async def cancel_or_collect_async(batch: ScriptBatch, job_id: str, task: str, ttl: int) -> Outcome | None:
    """Do what cancel_or_collect() does, from an event loop."""
    with naming(keys.job(job_id)):
        return _decode(await batch.run(scripts.CANCEL_OR_COLLECT, [keys.job(job_id)], [job_id, task, ttl]))


def forget(client: Redis, job_id: str, ttl: int) -> bool | None:
    """Delete the record of a job that has ended; return False if it has not, None for an unknown job."""
    with naming(keys.job(job_id)):
        answer = scripts.CANCEL_OR_COLLECT(client, [keys.job(job_id)], [job_id, "", ttl, 1])
    return None if answer is None else answer[0] != b"busy"


def _decode(answer: Any) -> Outcome | None:
    if answer is None:
        return None
    action, token, flat = answer
    raw = dict(zip(flat[::2], flat[1::2], strict=True))
    record = records.readable(raw)
    assert record is not None
    return Outcome(action.decode(), record, (token or b"").decode(), raw.get(b"nonce", b"").decode())


def requeue(client: Redis, job_ids: Sequence[str]) -> list[str]:
    """Queue failed or revoked jobs again under the same ids; return the ids of those that were queued."""
    pipeline: Any = client.pipeline(transaction=False).script_load(scripts.REQUEUE.text)
    for job_id in job_ids:
        pipeline.evalsha(scripts.REQUEUE.sha, 1, keys.job(job_id), job_id)
    return [job_id for job_id, done in zip(job_ids, pipeline.execute()[1:], strict=True) if done]
