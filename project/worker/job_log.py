"""Log one line per job event, with job_id, task, queue and duration; tracebacks follow in lines of their own.

Every line that a job logs or prints has the job's id (project/job_output.py).
"""

import logging
import time
import traceback
from typing import Any

from billiard.process import current_process
from celery import Task, signals
from celery.states import SUCCESS

from project import job_output, logs
from project.leased_transport.errors import LONGEST_TRACEBACK, bounded
from project.worker import shutdown

LONGEST_ERROR = 2000  # bytes of an exception's message in the line of an event

log = logging.getLogger("glassqueue.job")
_begun: dict[str, float] = {}


def connect(level: str) -> None:
    """Log to stdout, with our lines instead of Celery's lines for the same events."""

    @signals.setup_logging.connect(weak=False)
    def _configure(**_: Any) -> None:
        logs.to_stdout(level, force=True)
        job_output.mark_prints()
        job_output.mark_threads()
        logging.getLogger("celery.worker.strategy").setLevel(logging.WARNING)
        logging.getLogger("celery.app.trace").setLevel(logging.CRITICAL)

    signals.worker_process_init.connect(_belong_to_one_job)
    signals.task_prerun.connect(_started)
    signals.task_failure.connect(_failed)
    signals.task_retry.connect(_retried)
    signals.task_postrun.connect(_ended)
    signals.task_revoked.connect(_revoked)


def _belong_to_one_job(**_: Any) -> None:
    if current_process().name != "MainProcess":  # a solo pool runs jobs there, beside the consumer's own threads
        job_output.run_one_at_a_time()


def _started(task_id: str, task: Task, **_: Any) -> None:
    job_output.begin(task_id, inside=bool(task.request.is_eager))
    _begun[task_id] = time.monotonic()
    log.log(_level(task.request), "started %s", _fields(task.request, task.name))


def _failed(sender: Task, task_id: str, exception: BaseException, einfo: Any = None, **_: Any) -> None:
    """Log the traceback here, because it is gone when the job has ended (project/worker/memory.py)."""
    if task_id in _begun:
        _log_traceback(logging.ERROR, str(getattr(einfo, "traceback", "")))
        return
    # the consumer's main process, after the process that ran the job has crashed
    job_output.begin(task_id)
    log.error("failure %s error=%s", _fields(sender.request, sender.name, task_id), _text_of(exception))
    job_output.end()


def _retried(reason: Any, **_: Any) -> None:
    error = getattr(reason, "exc", None)
    if isinstance(error, BaseException):
        _log_traceback(logging.WARNING, "".join(traceback.format_exception(error)))


def _log_traceback(level: int, text: str) -> None:
    job_output.finish_lines()
    log.log(level, "%s", bounded(text, LONGEST_TRACEBACK).rstrip("\n"))


def _ended(task_id: str, task: Task, state: str | None = None, retval: Any = None, **_: Any) -> None:
    job_output.finish_lines()
    duration = time.monotonic() - _begun.pop(task_id, time.monotonic())
    # without a status: the process was stopped in the middle of the job
    outcome = state.lower() if state else "handed back" if shutdown.handing_back() else "interrupted"
    line = f"{outcome} {_fields(task.request, task.name)} duration={duration:.3f}"
    if isinstance(retval, BaseException):
        log.warning("%s error=%s", line, _text_of(retval))
    else:
        log.log(_level(task.request) if state == SUCCESS else logging.INFO, "%s", line)
    job_output.end()


def _level(request: Any) -> int:
    """Return DEBUG for periodic jobs, whose lines would bury all others; the scheduler marks them with a header."""
    return logging.DEBUG if getattr(request, "periodic", False) else logging.INFO


def _text_of(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # the exception's own __str__
        text = "<its text cannot be shown>"
    return f"{type(error).__name__}: {bounded(text, LONGEST_ERROR)!r}"


def _revoked(request: Any, **_: Any) -> None:
    log.warning("revoked %s", _fields(request, request.task))


def _fields(request: Any, task: str, job_id: str = "") -> str:
    queue = (getattr(request, "delivery_info", None) or {}).get("routing_key", "")
    return f"job_id={job_id or request.id} task={task} queue={queue}"
