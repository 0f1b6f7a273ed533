"""After a switch to another kind of broker, consumers fetch the jobs that wait for the one before.

A job's record says which kind of broker has its message (`broker`; none with leases), and `broker:<kind>` lists the
jobs of a kind that keeps messages elsewhere. So a job can be moved without its old broker: it gets a message here,
with a nonce of its own, and the old one no longer counts, whenever it is delivered. A job that runs is moved only when
its consumer is gone. See docs/explanation/delivery.md, "Switching brokers".
"""

import logging
import threading
import time
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from celery import signals
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from project.brokers import base, job_records
from project.leased_transport import messages, records, scripts
from project.leased_transport.errors import Rejected, describe
from project.leased_transport.scripts import Script

PAUSES = (2, 60)  # seconds between two looks: at first, and when none has found anything for long
AT_ONCE = 500  # jobs that are moved to the leased transport in one step
ELSEWHERE = ("stock", "amqp")  # the kinds of broker that keep messages themselves
ADOPT, CLAIM, MOVED = map(Script, ("adopt", "claim", "moved"))

log = logging.getLogger(__name__)


def connect(redis_url: str, timeout: float) -> None:
    """Look for jobs of other brokers in a thread, from the consumer's start to its end."""
    ended = threading.Event()

    @signals.worker_ready.connect(weak=False)
    def _begin(sender: Any, **_: Any) -> None:
        client = Redis.from_url(redis_url, socket_timeout=timeout, socket_connect_timeout=timeout)
        threading.Thread(target=_keep, args=(sender.app, client, ended), name="switching", daemon=True).start()

    @signals.worker_shutting_down.connect(weak=False)
    def _end(**_: Any) -> None:
        ended.set()


def _keep(app: Any, client: Redis, ended: threading.Event) -> None:
    pause, longest = PAUSES
    while not ended.is_set():
        try:
            if count := move_all(app, client):
                log.info("moved %d jobs here that waited for another kind of broker", count)
            pause = PAUSES[0] if count else min(2 * pause, longest)
        except (RedisError, OperationalError) as error:
            log.debug("cannot move jobs: %r", error)
        except Exception:
            log.exception("cannot move jobs of another broker")
        ended.wait(pause)


def move_all(app: Any, client: Redis) -> int:
    """Move the jobs that wait for other kinds of brokers to this app's; return how many were moved."""
    kind = base.kind_of(app)
    if kind == "leased":
        return sum(_adopt(client, other) for other in ELSEWHERE)
    others = chain.from_iterable(_of(client, other) for other in ELSEWHERE if other != kind)
    return sum(_move(app, client, kind, job_id) for job_id in chain(others, _leased(client, sorted(app.amqp.queues))))


def _adopt(client: Redis, kind: str) -> int:
    ids, moved = _of(client, kind), 0
    while batch := list(islice(ids, AT_ONCE)):
        moved += ADOPT(client, [f"broker:{kind}"], [kind, *batch])
    return moved


def _of(client: Redis, kind: str) -> Iterator[str]:
    """Yield the ids of the jobs whose messages a kind of broker keeps."""
    return (raw.decode() for raw in client.sscan_iter(f"broker:{kind}", count=AT_ONCE))


def _leased(client: Any, queues: list[str]) -> Iterator[str]:
    """Yield the ids of jobs of the leased transport that wait, the next ones first, are delayed or run."""
    for queue in queues:
        for name in records.lists(queue):
            while ids := client.lrange(name, -AT_ONCE, -1):
                yield from (raw.decode(errors="replace") for raw in reversed(ids))
                if client.lrange(name, -AT_ONCE, -1) == ids:
                    break  # none was moved
        for index in (f"delayed:{queue}", f"leases:{queue}"):
            found = (raw.decode(errors="replace") for raw, _ in client.zscan_iter(index, count=AT_ONCE))
            while batch := list(islice(found, AT_ONCE)):
                yield from _without_broker(client, batch)


def _without_broker(client: Any, ids: list[str]) -> Iterator[str]:
    """Yield those of the jobs whose messages no other kind of broker keeps."""
    pipeline = client.pipeline(transaction=False)
    for job_id in ids:
        pipeline.hexists(records.key(job_id), "broker")
    return (job_id for job_id, known in zip(ids, pipeline.execute(), strict=True) if not known)


def _move(app: Any, client: Redis, kind: str, job_id: str) -> bool:
    """Send a message for a job of another kind of broker; return whether that was done."""
    nonce = job_records.new_nonce()
    claimed = CLAIM(client, [records.key(job_id)], [job_id, kind, nonce, job_records.SENDING])
    if not claimed:
        return False
    name, queue, text, due, step = claimed
    try:
        args, kwargs, options = messages.call(text)
        task = app.tasks[name.decode()]
    except Exception as error:
        _fail(client, job_id, f"its stored message cannot be read: {error!r}")
        return False
    options |= {"queue": queue.decode(), "priority": int(step)}
    if due:
        options["countdown"] = max(0.0, float(due) - time.time())
    message = job_records.Message(task, args, kwargs, job_id, nonce, options, must_fit=False)
    message.send()
    MOVED(client, [message.key], [job_id, kind, nonce, due])
    return True


def _fail(client: Redis, job_id: str, reason: str) -> None:
    log.error("job %s cannot be moved: %s", job_id, reason)
    ttl = 86_400
    scripts.FINISH(client, [], [ttl, job_id, "", "FAILURE", 2, "error", describe(Rejected(reason))])
