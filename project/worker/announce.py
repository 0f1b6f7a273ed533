"""Announce the tasks of a consumer: write their cards into Redis at its start, and renew them while it runs."""

import logging
import threading
from typing import Any

from celery import signals
from redis.exceptions import RedisError

from project.cards import store
from project.cards.card import LARGEST
from project.cards.describe import card_of
from project.worker.heartbeat import served_tasks

RENEWAL, PAUSE = 30, 2  # seconds until the cards are written again, and after an error

log = logging.getLogger(__name__)


def connect(ttl: int) -> None:
    """Announce from a thread while the consumer runs; ttl: seconds that producers keep a task without consumers."""
    ended = threading.Event()

    @signals.worker_ready.connect(weak=False)
    def _start(sender: Any, **_: Any) -> None:
        threading.Thread(target=_run, args=(sender, ttl, ended), name="announce", daemon=True).start()

    @signals.worker_shutting_down.connect(weak=False)
    def _stop(**_: Any) -> None:
        ended.set()


def _run(consumer: Any, ttl: int, ended: threading.Event) -> None:
    texts = [text for task in served_tasks(consumer) if (text := _text(task))]
    wait: float = 0
    while not ended.wait(wait):
        try:
            store.announce(consumer.app.broker.redis, texts, ttl)
            wait = min(RENEWAL, ttl / 2)
        except RedisError as error:
            log.debug("cannot announce tasks: %r", error)
            wait = PAUSE


def _text(task: Any) -> str:
    """Return the card of a task, or "" if it cannot be announced."""
    try:
        text = card_of(task).text()
    except Exception as error:  # for example a type that is not imported: the other tasks are announced all the same
        log.warning("task %s is not announced: %s", task.name, error)
        return ""
    if len(text) > LARGEST:
        log.warning("task %s is not announced: its card has %d bytes, more than %d", task.name, len(text), LARGEST)
        return ""
    return text
