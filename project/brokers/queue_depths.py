"""Count a queue's jobs in Redis: those of the leased transport, and those that Celery's own transport holds there."""

import math
from contextlib import suppress
from typing import Any

from redis import Redis

from project.leased_transport import keys
from project.leased_transport.scripts import is_damage

#: The prefix that separates the keys of Celery's own transport from those of the leased one, whose lists hold ids.
STOCK_PREFIX = "stock:"


def stock_lists(queue: str) -> list[str]:
    """Return the lists that hold the messages of a queue of Celery's own transport, most urgent first."""
    return [STOCK_PREFIX + queue + (f"\x06\x16{step}" if step else "") for step in keys.PRIORITY_STEPS]


def depths(client: Redis, queues: list[str], stock: Redis | None = None) -> dict[str, dict[str, Any]]:
    """Return how many jobs wait, are delayed and run, and the age in seconds of the oldest one, by queue.

    `damaged` names the keys that another program has overwritten, if there are any; they count as empty.
    client: of the Redis with the job records. stock: of that of Celery's own transport, if that is the broker.
    """
    pipeline: Any = client.pipeline(transaction=False)
    for queue in queues:
        for name in keys.waiting(queue):
            pipeline.llen(name).lindex(name, -1)
        pipeline.zcard(keys.delayed(queue)).zcard(keys.leases(queue))
    *answers, left_in_stock, clock = _execute(pipeline.exists(keys.broker("stock")).time())
    size = len(answers) // len(queues) if queues else 1
    parts = [answers[start : start + size] for start in range(0, len(answers), size)]
    heads = [[raw.decode(errors="replace") for raw in part[1:-2:2] if isinstance(raw, bytes)] for part in parts]
    submitted = _submitted(pipeline, heads)
    # after a switch to another broker, messages count until all jobs are moved; later they are only remains
    messages = _messages(stock or client, queues) if stock or left_in_stock else [{} for _ in queues]
    now = clock[0] + clock[1] / 1e6
    return {
        queue: _depth(queue, part, lengths, now, min(times, default=None))
        for queue, part, lengths, times in zip(queues, parts, messages, submitted, strict=True)
    }


def _execute(pipeline: Any) -> list[Any]:
    """Return the answers of a pipeline, among them errors about keys that another program has overwritten."""
    answers: list[Any] = pipeline.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, Exception) and not is_damage(answer):
            raise answer
    return answers


def _messages(client: Redis, queues: list[str]) -> list[dict[str, Any]]:
    """Return the lengths of the lists of each queue of Celery's own transport, by name."""
    pipeline: Any = client.pipeline(transaction=False)
    for queue in queues:
        for name in stock_lists(queue):
            pipeline.llen(name)
    lengths = iter(_execute(pipeline) if queues else [])
    return [{name: next(lengths) for name in stock_lists(queue)} for queue in queues]


def _submitted(pipeline: Any, heads: list[list[str]]) -> list[list[float]]:
    """Return when the jobs at the heads of the lists of each queue were submitted."""
    for job_id in (job_id for part in heads for job_id in part):
        pipeline.hget(keys.job(job_id), "submitted_at")
    # without an error for a key that another program has overwritten
    times = iter(pipeline.execute(raise_on_error=False) if any(heads) else [])
    return [[at for _ in part if (at := _time(next(times))) is not None] for part in heads]


def _time(field: Any) -> float | None:
    """Return a time in unix seconds from a record; None if it has none, or a damaged one."""
    with suppress(ValueError, TypeError):
        return at if math.isfinite(at := float(field)) else None
    return None


def _depth(queue: str, part: list[Any], messages: dict[str, Any], now: float, oldest: float | None) -> dict[str, Any]:
    *waiting, delayed, running = part
    lists = dict(zip(keys.waiting(queue), waiting[::2], strict=True)) | messages
    lengths = lists | {keys.delayed(queue): delayed, keys.leases(queue): running}
    damaged = [name for name, length in lengths.items() if isinstance(length, Exception)]
    return {
        "waiting": sum(map(_length, lists.values())),
        "delayed": _length(delayed),
        "running": _length(running),
        "oldest_age": None if oldest is None else max(0.0, now - oldest),
        **({"damaged": damaged} if damaged else {}),
    }


def _length(answer: Any) -> int:
    return answer if isinstance(answer, int) else 0
