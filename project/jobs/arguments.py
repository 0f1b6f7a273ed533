"""The arguments of a job, from the message in its record."""

import inspect
from contextlib import suppress
from typing import Any

from celery import Celery

from project.celery_config.task import JobTask
from project.leased_transport import messages
from project.redaction import redacted


def task_of(app: Celery, name: str) -> JobTask | None:
    """Return the task of that name, if it is one of ours."""
    task = app.tasks.get(name)
    return task if isinstance(task, JobTask) else None


def true_arguments(app: Celery, name: str, message: bytes | None) -> dict[str, Any] | None:
    """Return the arguments by name, secrets included; None if the message is gone or damaged."""
    if not message:
        return None
    with suppress(Exception):  # any program may have written the message
        args, kwargs, _ = messages.call(message)
        task = task_of(app, name)
        names = list(inspect.signature(task.run).parameters) if task and args else []
        names += [str(position) for position in range(len(names), len(args or ()))]
        return dict(zip(names, args or (), strict=False)) | dict(kwargs or {})
    return None


def redacted_arguments(app: Celery, name: str, message: bytes | None) -> dict[str, Any] | None:
    """Return the arguments by name, without secrets; None if the message is gone or damaged."""
    arguments, task = true_arguments(app, name, message), task_of(app, name)
    return None if arguments is None else redacted(arguments, task.marked_secrets() if task else ())
