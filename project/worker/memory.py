"""Keep a consumer small: free the traceback of a failed job at once, and collect other garbage soon."""

import gc
from collections.abc import Iterator
from typing import Any

from celery import signals


def connect() -> None:
    """Let this process free what its jobs leave behind."""
    signals.task_postrun.connect(_free_traceback)
    signals.worker_init.connect(_ignore_what_stays)
    signals.worker_process_init.connect(_ignore_what_stays)


def _free_traceback(retval: Any = None, **_: Any) -> None:
    """Cut the reference cycle from an error over its traceback and Celery's frame back to the error.

    It holds 200 KB for each failed job until Python's garbage collector looks, which takes thousands of jobs.
    """
    for error in _related(retval, set()):
        error.__traceback__ = None


def _related(error: Any, seen: set[int]) -> Iterator[BaseException]:
    """Yield an error and those that it wraps or came from."""
    if not isinstance(error, BaseException) or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    for other in (error.__cause__, error.__context__, getattr(error, "exc", None), *getattr(error, "exceptions", ())):
        yield from _related(other, seen)


def _ignore_what_stays(**_: Any) -> None:
    """Let the garbage collector look at what jobs make, not at the modules: it then looks more often, and is quick."""
    gc.collect()
    gc.freeze()
