"""One log line per job event, with the fields one greps for: job_id, task, queue, duration."""

import logging
import time
from typing import Any

from celery import Task, signals

from project import logs
from project.celery_config import shutdown

log = logging.getLogger("glassqueue.job")
_begun: dict[str, float] = {}


def connect(level: str) -> None:
    """Log to stdout, and let our lines stand in for Celery's own of the same events."""

    @signals.setup_logging.connect(weak=False)
    def _configure(**_: Any) -> None:
        logs.to_stdout(level, force=True)
        logging.getLogger("celery.worker.strategy").setLevel(logging.WARNING)
        logging.getLogger("celery.app.trace").setLevel(logging.CRITICAL)

    signals.task_prerun.connect(_started)
    signals.task_postrun.connect(_ended)
    signals.task_revoked.connect(_revoked)


def _started(task_id: str, task: Task, **_: Any) -> None:
    _begun[task_id] = time.monotonic()
    log.info("started %s", _fields(task.request, task.name))


def _ended(task_id: str, task: Task, state: str | None = None, retval: Any = None, **_: Any) -> None:
    duration = time.monotonic() - _begun.pop(task_id, time.monotonic())
    # without a status the process was told to stop in the middle of the job
    outcome = state.lower() if state else "handed back" if shutdown.handing_back() else "interrupted"
    line = f"{outcome} {_fields(task.request, task.name)} duration={duration:.3f}"
    if isinstance(retval, BaseException):
        log.warning("%s error=%s: %r", line, type(retval).__name__, str(retval))
    else:
        log.info("%s", line)


def _revoked(request: Any, **_: Any) -> None:
    log.warning("revoked %s", _fields(request, request.task))


def _fields(request: Any, task: str) -> str:
    queue = (getattr(request, "delivery_info", None) or {}).get("routing_key", "")
    return f"job_id={request.id} task={task} queue={queue}"
