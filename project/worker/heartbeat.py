"""The heartbeat: each consumer writes to Redis that it is up; GET /producer/api/consumers lists them."""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from celery import signals
from celery.worker import state
from redis import Redis
from redis.exceptions import RedisError

from project.leased_transport import forked, keys
from project.leased_transport.scripts import Script

INTERVAL, TTL = 2, 8  # seconds between two heartbeats, and until one expires
LONGEST_END = 2  # seconds that a consumer waits at its end until it is no longer listed

HEARTBEAT = Script("heartbeat", Path(__file__).parent / "lua")

log = logging.getLogger(__name__)


def connect() -> None:
    """Send heartbeats while this consumer runs; from a thread, because a job of a solo pool blocks the event loop.

    The first one is sent before the consumer counts as up, so that it is listed from then on. A consumer that stops is
    listed until its jobs have ended: after a switch of brokers, they would otherwise run elsewhere at the same time.
    """
    ended = threading.Event()
    threads: list[threading.Thread] = []

    @signals.worker_ready.connect(weak=False)
    def _start(sender: Any, **_: Any) -> None:
        client, consumer = sender.app.broker.redis, describe(sender)
        send = partial(_send, client, consumer, partial(_current, sender, _counter(sender)))
        send()
        arguments = (client, consumer["name"], send, ended)
        threads.append(threading.Thread(target=_run, args=arguments, name="heartbeat", daemon=True))
        threads[0].start()

    @signals.worker_shutdown.connect(weak=False)
    def _stop(**_: Any) -> None:
        ended.set()
        for thread in threads:
            thread.join(LONGEST_END)


def describe(consumer: Any) -> dict[str, Any]:
    """Return the description of a consumer (Celery's object) that its heartbeat carries."""
    worker = consumer.controller
    pool = worker.pool_cls.__module__.rpartition(".")[2]
    return {
        "up_since": round(time.time(), 3),
        "name": consumer.hostname,
        "host": socket.gethostname(),
        # the main process, with which the others end
        "pid": os.getppid() if isinstance(consumer.pool, forked.TaskPool) else os.getpid(),
        "pool": "threads" if pool == "thread" else pool,
        "slots": 1 if pool == "solo" else worker.concurrency,
        "broker": consumer.app.broker.kind,
        "queues": sorted(consumer.app.amqp.queues.consume_from),
        "tasks": [task.name for task in served_tasks(consumer)],
    }


def jobs_done() -> int:
    """Return how many jobs this consumer has finished, with any outcome."""
    return max(0, sum(tuple(state.total_count.values())) - len(state.active_requests))


def served_tasks(consumer: Any) -> list[Any]:
    """Return the tasks with a route whose queue a consumer serves, by name."""
    queues = consumer.app.amqp.queues.consume_from
    tasks = [task for task in consumer.app.tasks.values() if getattr(task, "route", None)]
    return sorted((task for task in tasks if task.queue_name in queues), key=lambda task: task.name)


def _counter(consumer: Any) -> Callable[[], int]:
    """Return what counts the jobs of a consumer."""
    return consumer.pool.jobs_done if isinstance(consumer.pool, forked.TaskPool) else jobs_done


def _current(consumer: Any, count: Callable[[], int]) -> dict[str, Any]:
    """Return what changes while a consumer runs: remote control commands add and cancel queues."""
    tasks = [task.name for task in served_tasks(consumer)]
    return {"done": count(), "queues": sorted(consumer.app.amqp.queues.consume_from), "tasks": tasks}


def _send(client: Redis, consumer: dict[str, Any], current: Callable[[], dict[str, Any]]) -> None:
    name = consumer["name"]
    try:
        HEARTBEAT(client, [keys.consumer(name), keys.CONSUMERS], [name, json.dumps(consumer | current()), TTL])
    except RedisError as error:
        log.debug("cannot send a heartbeat: %r", error)


def _run(client: Redis, name: str, send: Callable[[], None], ended: threading.Event) -> None:
    while not ended.wait(INTERVAL):
        send()
    with suppress(RedisError):
        client.delete(keys.consumer(name))
