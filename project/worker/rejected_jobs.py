"""Fail the jobs that a consumer rejects: of an unknown task, or with a message that is not a job; drop ignored ones."""

from typing import Any

from celery import signals
from celery.app.task import Context
from celery.exceptions import NotRegistered
from celery.states import IGNORED

from project.leased_transport.errors import Rejected

NO_CODE = (
    "no task is called {!r} here: was it renamed or removed? A task that only some consumers have the code for needs a "
    "queue of its own"
)


def connect() -> None:
    """Write the failure of a rejected job; Celery only logs it, or does not know which run has failed."""
    signals.task_unknown.connect(_unknown)
    signals.task_rejected.connect(_rejected)
    signals.task_postrun.connect(_ended)


def _unknown(sender: Any, message: Any, name: str, **_: Any) -> None:
    _fail(sender.app, message, NotRegistered(NO_CODE.format(name)))


def _rejected(sender: Any, message: Any, exc: Exception | None, **_: Any) -> None:
    _fail(sender.app, message, Rejected(f"a consumer could not read this job: {exc or 'its message names no task'}"))


def _ended(sender: Any, state: str | None, **_: Any) -> None:
    if state == IGNORED:
        sender.backend.drop(sender.request)


def _fail(app: Any, message: Any, error: Exception) -> None:
    headers = message.headers if isinstance(message.headers, dict) else {}
    if job_id := headers.get("id"):
        app.backend.mark_as_failure(job_id, error, request=Context(headers))
