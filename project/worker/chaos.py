"""The remote control commands with which a consumer breaks itself, for the page's "Break it"; only with CHAOS=1.

`chaos_exit` exits at once, as if the kernel had killed the consumer: in a container the consumer is the first process,
which a process of that container cannot kill. `chaos_slow` makes its jobs wait before they begin.
"""

import logging
import mmap
import os
import struct
import time
from typing import Any

from celery import signals
from celery.worker.control import control_command, nok, ok

from project.leased_transport.forked_supervisor import KILLED

LONGEST = 60  # seconds of slowness

# Shared with the pool processes: until when jobs are slow (as time.monotonic() has it), and by how many seconds
_SLOW = mmap.mmap(-1, mmap.PAGESIZE)
_FORMAT = "dd"

log = logging.getLogger(__name__)


def connect() -> None:
    """Register the commands with consumers."""
    control_command(args=[("consumer", str)], signature="<consumer>")(chaos_exit)
    control_command(
        args=[("consumer", str), ("seconds", float), ("delay", float)], signature="<consumer> <seconds> <delay>"
    )(chaos_slow)
    signals.task_prerun.connect(_delay)


def chaos_exit(panel: Any, consumer: str) -> dict[str, str]:
    """End this consumer without any cleanup, if it is the named one."""
    if panel.hostname != consumer:
        return nok("not here")
    log.warning("chaos: this consumer ends as if it were killed")
    os._exit(KILLED)


def chaos_slow(panel: Any, consumer: str, seconds: float, delay: float) -> dict[str, str]:
    """Make the jobs of this consumer wait before they begin, if it is the named one."""
    if panel.hostname != consumer:
        return nok("not here")
    log.warning("chaos: for %g s, each job waits %g s before it begins", seconds, delay)
    _SLOW.seek(0)
    _SLOW.write(struct.pack(_FORMAT, time.monotonic() + min(seconds, LONGEST), min(delay, LONGEST)))
    return ok("slow")


def _delay(**_: Any) -> None:
    until, delay = struct.unpack_from(_FORMAT, _SLOW)
    if time.monotonic() < until:
        time.sleep(delay)
