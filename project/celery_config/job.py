"""What a task can declare: `@shared_task` with our options, and the Task class behind it."""

from collections.abc import Callable
from typing import Any, cast

import celery
from celery import Task
from celery.result import AsyncResult

from project.celery_config import unleased

_declared: dict[str, str] = {}

# Celery takes these from the declaration; its Task has no attributes of these names (celery/app/autoretry.py)
_RETRY_OPTIONS = {"autoretry_for", "dont_autoretry_for", "retry_kwargs"}
_RETRY_OPTIONS |= {"retry_backoff", "retry_backoff_max", "retry_jitter"}


class JobTask(Task):
    """The base class of every task here: Celery's Task, plus what the HTTP side needs to know of it."""

    abstract = True
    route: str | None = None
    waits_in: str = "default"  # the queue; Celery deprecates a task attribute `queue` in favour of task_routes

    def apply_async(
        self, args: Any = None, kwargs: Any = None, task_id: str | None = None, **options: Any
    ) -> AsyncResult:
        """Publish a job; the leased transport writes its record in the same step, other brokers need help."""
        publish = super().apply_async
        if self.app.conf.broker_transport:
            return publish(args, kwargs, task_id=task_id, **options)
        queue = options.get("queue") or self.waits_in
        return unleased.publish(
            self.backend.client, self, task_id, queue, lambda job_id: publish(args, kwargs, task_id=job_id, **options)
        )


def shared_task(
    *, route: str | None = None, queue: str = "default", **options: Any
) -> Callable[[Callable[..., Any]], JobTask]:
    """Declare a task; a declaration that cannot work is refused with a TypeError that says why.

    route: the public name, `POST /producer/api/{route}`; a task without one has no endpoint.
    queue: where its jobs wait; CONSUMER_QUEUES names the queues that a consumer serves.
    The other options are Celery's own (docs.celeryq.dev, userguide/tasks, "List of Options").
    """

    def declare(function: Callable[..., Any]) -> JobTask:
        name = route or function.__name__
        _check(name, function, options)
        declared = celery.shared_task(name=name, base=JobTask, route=route, waits_in=queue, **options)(function)
        return cast(JobTask, declared)

    return declare


def _check(name: str, function: Callable[..., Any], options: dict[str, Any]) -> None:
    """Refuse a name that is taken and an option that Celery would silently ignore."""
    where = f"{function.__module__}.{function.__qualname__}"
    if _declared.setdefault(name, where) != where:
        raise TypeError(f"{where}: the name {name!r} is already taken by {_declared[name]}; choose another route")
    unknown = [option for option in options if not hasattr(Task, option) and option not in _RETRY_OPTIONS]
    if unknown:
        raise TypeError(f"{where}: @shared_task has no option {unknown[0]!r}. Is it misspelt?")
