"""Isolated tasks that end in every way code can end; a separate module, because their process imports it."""

import ctypes
import logging
import os
import sys
import time

from project.celery_config.task import shared_task
from project.task_options.isolation import Isolation
from project.task_options.progress import report_progress
from project.task_options.retry import ONCE


class OwnError(Exception):
    """An error that the consumer knows too."""


@shared_task(isolated=True)
def inspect_process(text: str) -> list[object]:
    """Return where it runs, what it got, and whether Celery is there."""
    print(f"isolated: {text}", flush=True)
    logging.getLogger("a.package").info("isolated too: %s", text)
    report_progress(0.5, text)
    return [os.getppid(), text, "celery" in sys.modules]


@shared_task(isolated=Isolation(memory_mb=256, seconds=6))
def end_badly(how: str) -> object:
    """Crash, exit, hang, take all memory, or return what is not JSON: as *how* says."""
    if how == "segfault":
        ctypes.string_at(0)
    if how == "exit":
        os._exit(3)
    if how == "hang":
        ctypes.PyDLL(None).sleep(30)  # keeps the interpreter's lock, as bad C code does
    if how == "memory":
        return len(bytearray(2**30))
    return object()


@shared_task(isolated=True, retry_policy=ONCE, final_errors=(OwnError,))
def fail_inside(own: bool) -> None:
    """Raise an error that the consumer knows, or one that it has never heard of."""
    if own:
        raise OwnError("known", 1)
    raise type("Unheard", (Exception,), {})("of")


@shared_task(isolated=True, soft_time_limit=5)
def stay(name: str) -> None:
    """Report the process id, then run for a long time."""
    report_progress(0, f"{os.getpid()} {name}")
    time.sleep(30)


@shared_task(isolated=True)
def stay_longer(name: str) -> None:
    """Report the process id, then run for longer than any limit of the tests."""
    report_progress(0, f"{os.getpid()} {name}")
    time.sleep(30)
