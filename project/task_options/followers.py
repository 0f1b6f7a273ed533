"""The followers of a job: the task that gets its result (run_after), and the task that gets its failure (on_failure).

The follower is submitted before the end of the job is written. If the consumer is killed in between, the job runs again
and submits the same follower once more, which changes nothing: the follower's id is derived from the job's.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, TypeVar

from celery import Celery
from celery._state import get_current_worker_task
from celery.canvas import Signature
from kombu.exceptions import OperationalError
from kombu.utils.functional import retry_over_time
from redis.exceptions import ConnectionError, TimeoutError

from project.derived_ids import derived_id
from project.leased_transport import keys
from project.leased_transport.errors import describe

PATIENT = {"interval_start": 0.1, "interval_step": 0.2, "interval_max": 1}  # seconds between two tries
T = TypeVar("T")


def patiently(publish: Callable[[], T]) -> T:
    """Publish; in a running job, retry while the broker is down, for as long as the job's time limit allows."""
    if get_current_worker_task():
        return retry_over_time(publish, OperationalError, **PATIENT)
    return publish()


class Error(TypedDict):
    """Why a job failed: the name of the exception's class, and its message."""

    type: str
    message: str


class Failure(TypedDict):
    """The argument of the task of on_failure."""

    job_id: str
    task: str
    error: Error


@dataclass(frozen=True)
class Followers:
    """The tasks that a declaration names: names, or task objects, which have a name only once all are imported."""

    run_after: Any = None
    on_failure: Any = None

    @property
    def names(self) -> dict[str, str]:
        """Return the name of the task for each given option."""
        return {option: getattr(task, "name", task) for option, task in vars(self).items() if task is not None}


def link_follower(task: Any) -> None:
    """Make Celery submit the job of run_after once the running job has its result, as if it were given as `link`."""
    name, request = task.followers.names.get("run_after"), task.request
    if not name:
        return
    follower = _follower(task.app, request.id, "run_after", name)
    known = [linked["options"].get("task_id") for linked in request.callbacks or ()]
    if follower.id not in known:  # a retry already has the links of the first run
        request.callbacks = [*(request.callbacks or ()), follower]


class FollowedFailure:
    """A result backend that submits the job of on_failure before it writes a failure.

    Task.on_failure would be too late, because Celery calls it when the failure is already written. It would also miss
    time limits and crashed pool processes, which the consumer's main process reports to the backend.
    """

    app: Celery

    def mark_as_failure(
        self, task_id: str, exc: Any, traceback: Any = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        """Submit the follower of the failure, then mark the job as failed."""
        task = self.app.tasks.get(getattr(request, "task", None))
        followers = getattr(task, "followers", Followers())
        if name := followers.names.get("on_failure"):
            report: Failure = {"job_id": task_id, "task": request.task, "error": json.loads(describe(exc))}
            request.children.append(_submit(_follower(self.app, task_id, "on_failure", name), report, request))
        super().mark_as_failure(task_id, exc, traceback, request, *args, **kwargs)  # type: ignore[misc]  # a mixin


def _submit(follower: Signature, report: Failure, request: Any) -> Any:
    lineage = {"parent_id": request.id, "root_id": request.root_id or request.id, "add_to_parent": False}
    return retry_over_time(follower.apply_async, OperationalError, [(report,)], lineage, **PATIENT)


def _follower(app: Celery, parent_id: str, option: str, name: str) -> Signature:
    # with submitted_at, because an earlier job, now deleted, may have had the same id and a follower that still exists
    read = partial(app.backend.client.hget, keys.job(parent_id), "submitted_at")
    submitted_at = (retry_over_time(read, (ConnectionError, TimeoutError), **PATIENT) or b"").decode()
    child_id = derived_id("follower", f"{parent_id}/{submitted_at}/{option}/{name}")
    return app.signature(name, options={"task_id": child_id})
