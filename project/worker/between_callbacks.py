"""Handle signals between two callbacks of Celery's event loop.

Celery's own handlers stop the pool in the middle of whatever they interrupt. If that is the moment in which the loop
notes that a process has begun a job, the pool's lock is held and the job is not yet assigned to the process: the
handler then waits until that job ends.
"""

import os
import signal
from collections.abc import Iterable
from functools import partial
from types import FrameType
from typing import Any

from celery.worker.loops import asynloop


def handle(consumer: Any, signals: Iterable[signal.Signals]) -> None:
    """Let the handlers of these signals run in the consumer's event loop while it runs."""
    wake = Wake()
    for number in signals:
        handler = signal.getsignal(number)
        signal.signal(number, partial(wake.defer, handler))
    loop = consumer.loop

    def listening_loop(*arguments: Any) -> Any:
        """Run the loop again, after the connection was lost: the hub has forgotten all files."""
        wake.listen(consumer.hub)
        return loop(*arguments)

    wake.listen(consumer.hub)
    consumer.loop = listening_loop


class Wake:
    """A pipe that wakes the loop to run deferred handlers."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._deferred: list[Any] = []

    def listen(self, hub: Any) -> None:
        """Let the loop run the handlers."""
        hub.add_reader(self._read, self._run)

    def defer(self, handler: Any, number: int, frame: FrameType | None) -> None:
        """Handle a signal: in the loop if it has interrupted that, else at once."""
        if not _is_within_loop(frame):
            handler(number, frame)
            return
        self._deferred.append(partial(handler, number, frame))
        os.write(self._write, b".")

    def _run(self) -> None:
        """Run the deferred handlers, as a callback of the loop."""
        os.read(self._read, 64)
        while self._deferred:
            self._deferred.pop(0)()


def _is_within_loop(frame: FrameType | None) -> bool:
    while frame and frame.f_code is not asynloop.__code__:
        frame = frame.f_back
    return frame is not None
