"""Keep a consumer small: free the traceback of a failed job at once, and collect other garbage soon."""

import gc
from collections.abc import Iterator
from typing import Any

from celery import signals


def connect() -> None:
    """Free the memory that jobs leave behind in this process."""
    signals.task_postrun.connect(_free_traceback)
    signals.worker_init.connect(_freeze_modules)
    signals.worker_process_init.connect(_freeze_modules)


def _free_traceback(retval: Any = None, **_: Any) -> None:
    """Break the reference cycle of an error, its traceback and the frame of Celery that holds the error.

    The cycle holds 200 KB for each failed job until the garbage collector runs, which takes thousands of jobs.
    """
    for error in _related(retval, set()):
        error.__traceback__ = None


def _related(error: Any, seen: set[int]) -> Iterator[BaseException]:
    """Yield an error, and the errors that it wraps or that caused it."""
    if not isinstance(error, BaseException) or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    for other in (error.__cause__, error.__context__, getattr(error, "exc", None), *getattr(error, "exceptions", ())):
        yield from _related(other, seen)


def _freeze_modules(**_: Any) -> None:
    """Exclude the loaded modules from garbage collection, so that it runs more often and takes less time."""
    gc.collect()
    gc.freeze()
