"""Each consumer says in Redis that it is there: GET /producer/api/consumers lists who did lately."""

import json
import logging
import threading
from pathlib import Path
from typing import Any

from celery import signals
from redis import Redis
from redis.exceptions import RedisError

from project.leased_transport import keys
from project.leased_transport.scripts import Script

EVERY, KEPT = 2, 8  # seconds between two signs of life, and until one is forgotten

PRESENT = Script("present", Path(__file__).parent / "lua")

log = logging.getLogger(__name__)


def connect() -> None:
    """Tell Redis about this consumer from its start to its end, in a thread: a solo pool stops the loop."""
    ended = threading.Event()

    @signals.worker_ready.connect(weak=False)
    def _appear(sender: Any, **_: Any) -> None:
        arguments = (sender.app.broker.redis, describe(sender), ended)
        threading.Thread(target=_stay, args=arguments, name="presence", daemon=True).start()

    @signals.worker_shutting_down.connect(weak=False)
    def _leave(**_: Any) -> None:
        ended.set()


def describe(consumer: Any) -> dict[str, Any]:
    """Return what is told about Celery's consumer."""
    worker = consumer.controller
    return {
        "name": consumer.hostname,
        "pool": worker.pool_cls.__module__.rpartition(".")[2],
        "slots": worker.concurrency,
        "broker": consumer.app.broker.kind,
        "queues": sorted(consumer.app.amqp.queues.consume_from),
    }


def _stay(client: Redis, consumer: dict[str, Any], ended: threading.Event) -> None:
    name, text = consumer["name"], json.dumps(consumer)
    while True:
        try:
            PRESENT(client, [keys.consumer(name), keys.CONSUMERS], [name, text, KEPT])
            if ended.wait(EVERY):
                client.delete(keys.consumer(name))
                return
        except RedisError as error:
            log.debug("Redis is away: %r", error)
            if ended.wait(EVERY):
                return
