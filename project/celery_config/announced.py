"""The tasks that other consumers have announced: this process has no code for them, but can submit jobs for them."""

import inspect
import json
import logging
import threading
from collections import Counter
from collections.abc import Callable
from inspect import Parameter
from typing import Any

from celery import Celery
from redis import Redis

from project.brokers import Broker
from project.cards import store
from project.cards.arguments import model_of, result_of
from project.cards.card import BadCard, Card, parse
from project.cards.describe import card_of
from project.celery_config.task import JobTask

log = logging.getLogger(__name__)


class AnnouncedTask(JobTask):
    """A task without code, made from a card."""

    abstract = True
    typing = False  # the card's schema checks the arguments

    def __init__(self, card: Card) -> None:
        self.name, self.route, self.queue_name = card.name, card.route, card.queue
        self.card, self.priority, self.summary = card, card.options.priority, card.summary
        self.arguments_model = model_of(card.name, card.arguments)
        self.result_type = result_of(card.name, card.result)
        self.run = self._without_code()
        self.endpoints: Any = None  # set by the producer

    def _without_code(self) -> Callable[..., Any]:
        """Return a function with the task's parameters, for code that looks at the signature."""
        name, names = self.name, self.arguments_model.__announced__
        required = self.arguments_model.__schema__.get("required", [])

        def run(**_: Any) -> Any:
            raise NotImplementedError(f"the code of task {name!r} is not here")

        parameters = [
            Parameter(each, Parameter.KEYWORD_ONLY, default=Parameter.empty if each in required else None)
            for each in names
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # inspect looks for it
        return run

    def marked_secrets(self) -> frozenset[str]:
        """Return the names of the arguments that the card's schema marks as secret."""
        properties = self.arguments_model.__schema__.get("properties", {})
        return frozenset(name for name, each in properties.items() if '"writeOnly": true' in json.dumps(each))

    def apply_async(self, args: Any = None, kwargs: Any = None, task_id: str | None = None, **options: Any) -> Any:
        """Publish a job to the queue of the card, which Celery's routes do not know."""
        options.setdefault("queue", self.queue_name)
        return super().apply_async(args, kwargs, task_id, **options)


class AnnouncedTasks:
    """The announced tasks of an app, kept among its tasks. Local code takes precedence over a card."""

    def __init__(self, app: Celery) -> None:
        self._app, self._lock = app, threading.Lock()
        self._cards: dict[str, Card] = {}
        self._local: dict[str, Card] = {}
        #: The reason for each card that cannot be used, by its digest.
        self.broken: dict[str, str] = {}
        #: A description of each conflict between announcements, or with the code here, by route.
        self.conflicts: dict[str, str] = {}
        #: The number of living consumers of each task; None until it is known.
        self.consumers: Counter[str] | None = None
        #: The queues that were declared for announced tasks only.
        self.queues: set[str] = set()
        #: Called for each new task; if it raises an error, the card counts as broken.
        self.prepare: Callable[[AnnouncedTask], None] = lambda _: None
        #: Changes whenever a task appears, changes or disappears.
        self.edition = 0

    @property
    def tasks(self) -> dict[str, AnnouncedTask]:
        """Return the announced tasks, by name."""
        return {name: task for name, task in list(self._app.tasks.items()) if isinstance(task, AnnouncedTask)}

    def find(self, name: str) -> AnnouncedTask | None:
        """Return an announced task."""
        task = self._app.tasks.get(name)
        return task if isinstance(task, AnnouncedTask) else None

    def refresh(self, client: Redis) -> None:
        """Read the cards and heartbeats; if Redis fails, raise redis-py's error and keep the known tasks."""
        with self._lock:
            found = store.read(client, self._cards.keys() | self.broken.keys())
            self.consumers = found.consumers
            gone = (self._cards.keys() | self.broken.keys()) - set(found.digests)
            if not (found.texts or gone):
                return
            for name in gone:
                self._cards.pop(name, None)
                self.broken.pop(name, None)
            for name, text in found.texts.items():
                self._read(name, text)
            self._choose()

    def _read(self, name: str, text: bytes) -> None:
        try:
            card = parse(name, text)
            self.prepare(AnnouncedTask(card))
            self._cards[name] = card
        except Exception as error:  # a card may contain anything, and one that is broken must not hide the others
            reason = str(error) if isinstance(error, BadCard) else f"{type(error).__name__}: {error}"[:500]
            self.broken[name] = reason
            log.warning("the announced card %s cannot be used: %s", name, reason)

    def _choose(self) -> None:
        """Register the newest card of each route, unless the task's code is here; note conflicts and drop old tasks."""
        by_route: dict[str, list[Card]] = {}
        for card in sorted(self._cards.values(), key=lambda card: card.version):
            by_route.setdefault(card.route, []).append(card)
        conflicts = {route: reason for route, cards in by_route.items() if (reason := self._conflict(route, cards))}
        for route, reason in conflicts.items():
            if self.conflicts.get(route) != reason:
                log.warning("/%s: %s", route, reason)
        self.conflicts = conflicts
        wanted = {route: cards[-1] for route, cards in by_route.items() if not self._is_local(route)}
        for name in self.tasks.keys() - wanted.keys():
            del self._app.tasks[name]
        for name, card in wanted.items():
            self._register(name, card)
        self._declare_queues({card.queue for card in wanted.values()})
        self.edition += 1

    def _register(self, name: str, card: Card) -> None:
        known = self._app.tasks.get(name)
        if known is None or known.card != card:
            task = AnnouncedTask(card)
            self.prepare(task)
            task.bind(self._app)
            self._app.tasks[name] = task
            log.info("task %s is announced: queue=%s version=%s", name, card.queue, card.version)

    def _declare_queues(self, names: set[str]) -> None:
        """Declare the queues of the cards, so that jobs can be sent to them; remove queues that no card names now."""
        broker: Broker = self._app.broker
        queues = self._app.amqp.queues
        for name in names - queues.keys():
            queues.add(broker.make_queue(name))
            self.queues.add(name)
        for name in self.queues - names:
            del queues[name]
            self.queues.discard(name)

    def _is_local(self, name: str) -> bool:
        return name in self._app.tasks and not isinstance(self._app.tasks[name], AnnouncedTask)

    def _conflict(self, route: str, cards: list[Card]) -> str:
        """Describe how the cards of a route contradict each other or the code here; return "" if they do not."""
        if self._is_local(route):
            local = self._local_card(route)
            others = [card.version for card in cards if local is None or not card.announces_the_same(local)]
            return f"the code here differs from what consumers announce (version {others[-1]})" if others else ""
        newest = cards[-1]
        others = [card.version for card in cards if not card.announces_the_same(newest)]
        return (
            f"consumers announce different tasks: version {newest.version} is used, not {others[-1]}" if others else ""
        )

    def _local_card(self, name: str) -> Card | None:
        task = self._app.tasks[name]
        if getattr(task, "route", None) and name not in self._local:
            self._local[name] = card_of(task)
        return self._local.get(name)
