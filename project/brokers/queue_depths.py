"""Count a queue's jobs in Redis: those of the leased transport, and those that Celery's own transport holds there."""

from typing import Any

from redis import Redis

from project.leased_transport import keys

#: Keys of Celery's own transport, apart from those of the leased one, whose lists hold ids instead of messages.
STOCK_PREFIX = "stock:"


def stock_lists(queue: str) -> list[str]:
    """Return the lists that hold the messages of a queue of Celery's own transport, most urgent first."""
    return [STOCK_PREFIX + queue + (f"\x06\x16{step}" if step else "") for step in keys.PRIORITY_STEPS]


def depths(client: Redis, queues: list[str]) -> dict[str, dict[str, float | None]]:
    """Return how many jobs wait, are delayed and run, and the age in seconds of the oldest one, by queue."""
    pipeline: Any = client.pipeline(transaction=False)
    for queue in queues:
        # jobs that another kind of broker left behind count until they are moved
        for name in (*keys.waiting(queue), *stock_lists(queue)):
            pipeline.llen(name).lindex(name, -1)
        pipeline.zcard(keys.delayed(queue)).zcard(keys.leases(queue))
    *answers, clock = pipeline.time().execute()
    size = len(answers) // len(queues) if queues else 1
    parts = [answers[start : start + size] for start in range(0, len(answers), size)]
    heads = [[raw.decode(errors="replace") for raw in part[1:-2:2] if raw] for part in parts]
    submitted = _submitted(pipeline, heads)
    now = clock[0] + clock[1] / 1e6
    return {
        queue: _depth(part, now, min(times, default=None))
        for queue, part, times in zip(queues, parts, submitted, strict=True)
    }


def _submitted(pipeline: Any, heads: list[list[str]]) -> list[list[float]]:
    """Return when the jobs at the heads of the lists of each queue were submitted."""
    for job_id in (job_id for part in heads for job_id in part):
        pipeline.hget(keys.job(job_id), "submitted_at")
    # without an error for a key that another program has overwritten
    times = iter(pipeline.execute(raise_on_error=False) if any(heads) else [])
    return [[float(at) for _ in part if isinstance(at := next(times), bytes)] for part in heads]


def _depth(part: list[Any], now: float, oldest: float | None) -> dict[str, float | None]:
    *waiting, delayed, running = part
    age = None if oldest is None else max(0.0, now - oldest)
    return {"waiting": sum(waiting[::2]), "delayed": delayed, "running": running, "oldest_age": age}
