"""The leased Redis transport (`redis://`, the default): record and message are one, and each step is atomic."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any

from celery import Task, uuid
from celery._state import get_current_worker_task

from project.brokers import fast_publisher, switching
from project.brokers.base import Broker, hidden, transport_options
from project.brokers.fast_publisher import FastPublisher, effective_options
from project.brokers.published import JobResult, Published
from project.leased_transport import celery_settings, control
from project.leased_transport.control import Outcome
from project.task_options.followers import patiently


class LeasedBroker(Broker):
    """Queues are lists of job ids in the Redis that holds the job records."""

    kind = "leased"
    admits_in_one_step = True
    best_pool = "forked"
    _publisher: FastPublisher | None = None
    _opened = False

    def celery_options(self) -> dict[str, Any]:
        """Return the options of the leased transport and its result backend."""
        settings = self.settings
        selected = celery_settings(
            self.url,
            **transport_options(settings),
            result_ttl=settings.result_ttl,
            lease=settings.lease,
            max_attempts=settings.max_attempts,
            queue_limit=settings.queue_limit,
        )
        backend = f"project.brokers.leased_backend:LeasedBackend+{self.url}"
        return super().celery_options() | selected | {"result_backend": backend}

    def publish(self, task: Any, args: Any, kwargs: Any, job_id: str | None, options: dict[str, Any]) -> Any:
        """Admit a job with the fast publisher, or through Celery if the call has options that only Celery supports."""
        # choose the id here: if the answer is lost, the job is recognised when it is published again
        job_id, chosen = job_id or uuid(), effective_options(task, options)
        publisher = None if get_current_worker_task() else self._publisher_for(task, args, chosen)
        if publisher:
            publisher.admit(task, args, kwargs, job_id, chosen)
            return JobResult.of(task, job_id, chosen.get("ignore_result", task.ignore_result))
        options.pop("nonce", None)  # Celery would not know it
        options = hidden(task, args, kwargs) | options
        return patiently(partial(Task.apply_async, task, args, kwargs, task_id=job_id, **options))

    def slot(self) -> AbstractAsyncContextManager[None]:
        """Wait for nothing once the publisher is open: publishing takes no thread then."""
        return nullcontext() if self._publisher else super().slot()

    def publish_async(
        self, task: Any, args: Any, kwargs: Any, job_id: str | None, options: dict[str, Any]
    ) -> Published:
        """Begin to admit a job, in one batch with others."""
        job_id, chosen = job_id or uuid(), effective_options(task, options)
        # opening the publisher blocks, so the first call goes to a thread
        publisher = self._publisher_for(task, args, chosen) if self._opened else None
        if publisher is None:
            return super().publish_async(task, args, kwargs, job_id, options)
        outcome = publisher.admit_async(self.scripts, task, args, kwargs, job_id, chosen)
        return Published.of_outcome(task, job_id, outcome, chosen.get("ignore_result", task.ignore_result))

    def publish_many(self, task: Any, jobs: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Admit jobs of one task, 100 per round trip; skip ids that are known already."""
        chosen = effective_options(task, {})
        publisher = None if get_current_worker_task() else self._publisher_for(task, (), chosen)
        if publisher:
            publisher.admit_many(task, jobs, chosen)
        else:
            super().publish_many(task, jobs)

    def _publisher_for(self, task: Any, args: Any, options: dict[str, Any]) -> FastPublisher | None:
        """Return what can publish this call, or None if only Celery knows how to publish it."""
        publisher = self._open_publisher() if fast_publisher.can_publish(task, args, options) else None
        return publisher if publisher and options.get("queue", task.queue_name) in publisher.queues else None

    def _open_publisher(self) -> FastPublisher | None:
        if not self._opened:  # no lock: while Redis is away, callers must not wait for one another
            self._publisher = fast_publisher.open_publisher(self.app)
            self._opened = True
        return self._publisher

    def requeue(self, job_ids: list[str]) -> list[str]:
        """Return failed or revoked jobs to their queues under the same ids; return the ids of the requeued jobs."""
        return control.requeue(self.redis, job_ids)

    def run_name(self, outcome: Outcome) -> str:
        """Return the fencing token, which is different for each attempt."""
        return outcome.token

    def take_over(self) -> int:
        """Adopt jobs in Redis alone: the brokers that hold their messages need not be running."""
        return switching.adopt_all(self.redis)
