"""After a switch to another kind of broker, consumers move the jobs that still wait for the old one.

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
from redis.exceptions import RedisError, ResponseError

from project.brokers import job_records
from project.brokers.base import Broker
from project.leased_transport import keys, messages, scripts
from project.leased_transport.errors import Rejected, describe

PAUSES = (2, 60)  # seconds between two searches: at first, and the longest, while nothing is found
BATCH = 500  # jobs that are moved to the leased transport in one step
ELSEWHERE = ("stock", "amqp")  # the kinds of broker that keep messages themselves

log = logging.getLogger(__name__)


def connect() -> None:
    """Look for jobs of other brokers in a thread, from the consumer's start to its end."""
    ended = threading.Event()

    @signals.worker_ready.connect(weak=False)
    def _begin(sender: Any, **_: Any) -> None:
        threading.Thread(target=_keep, args=(sender.app.broker, ended), name="switching", daemon=True).start()

    @signals.worker_shutting_down.connect(weak=False)
    def _end(**_: Any) -> None:
        ended.set()


def _keep(broker: Broker, ended: threading.Event) -> None:
    pause, longest = PAUSES
    while not ended.is_set():
        try:
            if count := broker.take_over():
                log.info("moved %d jobs from another kind of broker to this one", count)
            pause = PAUSES[0] if count else min(2 * pause, longest)
        except (RedisError, OperationalError) as error:
            log.debug("cannot move jobs: %r", error)
        except Exception:
            log.exception("cannot move jobs of another broker")
        ended.wait(pause)


def adopt_all(client: Redis) -> int:
    """Move the jobs that wait in other kinds of brokers to the leased queues in Redis; return how many were moved."""
    return sum(_adopt(client, kind) for kind in ELSEWHERE)


def send_all(broker: Broker) -> int:
    """Send a message for each job that waits for another kind of broker; return how many were sent."""
    client, queues = broker.redis, sorted(broker.app.amqp.queues)
    others = chain.from_iterable(_ids_of(client, kind) for kind in ELSEWHERE if kind != broker.kind)
    return sum(_try_to_send(broker, job_id) for job_id in chain(others, _leased(client, queues)))


def _adopt(client: Redis, kind: str) -> int:
    ids, moved = _ids_of(client, kind), 0
    while batch := list(islice(ids, BATCH)):
        moved += scripts.ADOPT(client, [keys.broker(kind)], [kind, *batch])
    return moved


def _ids_of(client: Redis, kind: str) -> Iterator[str]:
    """Yield the ids of jobs that have their messages in one kind of broker."""
    return (raw.decode(errors="replace") for raw in client.sscan_iter(keys.broker(kind), count=BATCH))


def _leased(client: Any, queues: list[str]) -> Iterator[str]:
    """Yield the ids of the leased transport's jobs, by queue: waiting ones in order, then delayed and running ones."""
    for queue in queues:
        for name in keys.waiting(queue):
            stayed = 0  # jobs at the head that could not be moved
            while ids := client.lrange(name, -BATCH - stayed, -1 - stayed):
                yield from (raw.decode(errors="replace") for raw in reversed(ids))
                looked_at = set(ids)
                stayed += sum(raw in looked_at for raw in client.lrange(name, -BATCH - stayed, -1 - stayed))
        for index in (keys.delayed(queue), keys.leases(queue)):
            found = (raw.decode(errors="replace") for raw, _ in client.zscan_iter(index, count=BATCH))
            while batch := list(islice(found, BATCH)):
                yield from _without_broker(client, batch)


def _without_broker(client: Any, ids: list[str]) -> Iterator[str]:
    """Yield those jobs that have no message in another kind of broker."""
    pipeline = client.pipeline(transaction=False)
    for job_id in ids:
        pipeline.hexists(keys.job(job_id), "broker")
    # without an error for a key that another program has overwritten
    known = pipeline.execute(raise_on_error=False)
    return (job_id for job_id, broker in zip(ids, known, strict=True) if broker == 0)


def _try_to_send(broker: Broker, job_id: str) -> bool:
    """Send a message for a job unless its record is damaged; raise what concerns other jobs too."""
    try:
        return _send(broker, job_id)
    except ResponseError as error:
        if scripts.is_full(error):
            raise
        log.warning("job %s cannot be moved: %s", job_id, error)
        return False


def _send(broker: Broker, job_id: str) -> bool:
    """Send a message for a job of another kind of broker; return whether that was done.

    A job whose task this consumer has no code for waits for a consumer that has it.
    """
    nonce, client, kind = job_records.new_nonce(), broker.redis, broker.kind
    task_name: Any = client.hget(keys.job(job_id), "task")
    if task_name and task_name.decode(errors="replace") not in broker.app.tasks:
        log.debug("job %s waits for a consumer with the code of %r", job_id, task_name)
        return False
    claimed = scripts.CLAIM(client, [keys.job(job_id)], [job_id, kind, nonce, job_records.SENDING])
    if not claimed:
        return False
    name, queue, text, due, step = claimed
    try:
        args, kwargs, options = messages.call(text)
        task = broker.app.tasks[name.decode()]
        options |= {"queue": queue.decode(), "priority": int(step)}
    except Exception as error:
        _fail(broker, job_id, f"its stored message cannot be read: {error!r}")
        return False
    if due:
        options["countdown"] = max(0.0, float(due) - time.time())
    message = job_records.JobMessage(task, args, kwargs, job_id, nonce, options, must_fit=False)
    try:
        message.send()
    except job_records.BROKER_ERRORS:
        raise
    except Exception as error:  # for example, its arguments do not fit its task any more
        _fail(broker, job_id, f"it cannot be sent: {error!r}")
        return False
    scripts.CONFIRM_MOVE(client, [message.key], [job_id, kind, nonce, due])
    return True


def _fail(broker: Broker, job_id: str, reason: str) -> None:
    log.error("job %s cannot be moved: %s", job_id, reason)
    ttl = broker.settings.result_ttl
    scripts.FINISH(broker.redis, [], [ttl, job_id, "", "FAILURE", 2, "error", describe(Rejected(reason))])
