"""Define `@shared_task` with the options of this project, and the Task class behind it."""

import inspect
import sys
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any, cast

import celery
from celery import Task, uuid
from celery.result import AsyncResult

from project.leased_transport.errors import describe_retry
from project.redaction import redacted_call
from project.startup import DeclarationError
from project.task_options import coroutines, declaration, followers, progress, secret
from project.task_options.isolation import Isolation, isolate
from project.task_options.retry import NEVER, RetryPolicy


class JobTask(Task):
    """The base class of every task: Celery's Task, plus the attributes that the HTTP API needs."""

    abstract = True
    Request = "project.worker.request:JobRequest"
    route: str | None = None
    followers = followers.Followers()
    body_limit: int | None = None  # bytes of a request; None: the general limit (project/producer.py)
    queue_name: str = "default"  # the queue; Celery deprecates a task attribute `queue` in favour of task_routes

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Prepare progress reports and followers, unless the job has been cancelled."""
        self.backend.begin(self)
        progress.report_to(partial(self.backend.store_progress, task_id, self.request))
        followers.link_follower(self)

    def redacted_call(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Return arguments without secrets."""
        return redacted_call(args, kwargs, self._parameters, self.marked_secrets())

    def marked_secrets(self) -> frozenset[str]:
        """Return the names that its signature marks as secret."""
        return self._marked

    @cached_property
    def _parameters(self) -> list[str]:
        return list(inspect.signature(self.run).parameters)  # once: it takes longer than the rest of a publish

    @cached_property
    def _marked(self) -> frozenset[str]:
        return secret.marked(inspect.unwrap(self.run))

    def retry(self, args: Any = None, kwargs: Any = None, exc: Any = None, *more: Any, **options: Any) -> Any:
        """Request another attempt; the job's record then has the error of this one."""
        self.request.failed_with = exc or sys.exc_info()[1]
        return super().retry(args, kwargs, exc, *more, **options)

    def apply_async(
        self, args: Any = None, kwargs: Any = None, task_id: str | None = None, **options: Any
    ) -> AsyncResult:
        """Publish a job through the app's broker; in the producer's event loop, `await` the result."""
        if options.get("priority", 0) is None:
            del options["priority"]  # Celery drops None too late, and kombu would send 0, the most urgent
        failed_with = self.request.get("failed_with")
        if isinstance(failed_with, BaseException) and task_id == self.request.id:
            options["headers"] = (options.get("headers") or {}) | {"record": describe_retry(failed_with)}
        broker = self.app.broker
        publish = broker.publish_async if broker.is_in_event_loop() else broker.publish
        return publish(self, args, kwargs, task_id, options)

    def with_options(self, **options: Any) -> "CallWithOptions":
        """Return the task with options of apply_async: `task.with_options(priority=0).delay(number=10)`."""
        return CallWithOptions(self, options)

    def submit_many(
        self, arguments: Iterable[dict[str, Any]], task_ids: Iterable[str] | None = None
    ) -> list[AsyncResult]:
        """Publish one job per dict of keyword arguments, 100 at a time; raise at the first refused job.

        Jobs admitted before that stay. Choose *task_ids* to be able to repeat a failed call: existing ids are skipped.
        """
        jobs = list(zip(task_ids, arguments, strict=True) if task_ids else ((uuid(), kwargs) for kwargs in arguments))
        self.app.broker.publish_many(self, jobs)
        return [self.AsyncResult(job_id) for job_id, _ in jobs]


class CallWithOptions:
    """A task, and the options with which `delay` publishes a job for it."""

    def __init__(self, task: JobTask, options: dict[str, Any]) -> None:
        self._task, self._options = task, options

    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult:
        """Publish a job with these arguments."""
        return self._task.apply_async(args, kwargs, **self._options)


def shared_task(
    *,
    route: str | None = None,
    queue: str = "default",
    retry_policy: RetryPolicy | None = None,
    final_errors: tuple[type[Exception], ...] = (),
    run_after: str | Task | None = None,
    on_failure: str | Task | None = None,
    isolated: bool | Isolation = False,
    body_limit: int | None = None,
    **options: Any,
) -> Callable[[Callable[..., Any]], JobTask]:
    """Declare a task; raise a TypeError with the reason if the declaration is invalid.

    route: the public name, `POST /producer/api/{route}`; a task without one has no endpoint.
    queue: the queue of its jobs; CONSUMER_QUEUES selects the queues that a consumer serves.
    retry_policy: NEVER (the default), ONCE or ALWAYS. final_errors: not retried, like exceeded time limits.
    run_after: the task that gets the result. on_failure: the one that gets {job_id, task, error} of a failed job.
    isolated: True, or Isolation(memory_mb=512, seconds=60), for a process of its own with these limits.
    body_limit: bytes of a request, if 1 MiB is too little; add the route to nginx/templates/server.conf.template too.
    The other options are Celery's own (docs.celeryq.dev, userguide/tasks, "List of Options").
    """

    def declare(function: Callable[..., Any]) -> JobTask:
        """Check the declaration and return the task."""
        name = route or function.__name__
        try:
            declaration.check_options(options)
            declaration.check_numbers(options)
            declaration.check_retries(retry_policy, final_errors, options)
            declaration.check_follower(run_after, on_failure)
            declaration.check_isolation(function, isolated, options)
            declaration.check_address(route, queue)
            declaration.check_name(name, function)
        except TypeError as error:
            raise DeclarationError(function, error) from None
        ours: dict[str, Any] = {"route": route, "queue_name": queue, "body_limit": body_limit}
        ours["followers"] = followers.Followers(run_after, on_failure)
        ours |= (retry_policy or NEVER).celery_options(final_errors)
        declared = celery.shared_task(name=name, base=JobTask, **ours, **options)(_body(function, isolated))
        return cast(JobTask, declared)

    return declare


def _body(function: Callable[..., Any], isolated: bool | Isolation) -> Callable[..., Any]:
    """Return the function that Celery calls: the body, or a wrapper that runs it isolated or as a coroutine."""
    if isolated:
        return isolate(function, Isolation() if isolated is True else isolated)
    called = coroutines.as_function(function) if inspect.iscoroutinefunction(function) else function
    return secret.with_secrets(called)
