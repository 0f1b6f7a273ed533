"""Run tasks that are declared with `async def` concurrently, in one event loop per process.

A slot waits for its coroutine, so a consumer runs as many at a time as it has slots; the threads pool has many. All
jobs of a process share a loop, because clients of databases and HTTP are bound to the loop in which they connected.
"""

import asyncio
import functools
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from typing import Any

_loops: dict[int, asyncio.AbstractEventLoop] = {}
_lock = threading.Lock()


def as_function(coroutine: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    """Return a function that runs the coroutine in this process's loop and waits for its result or exception.

    If the wait is interrupted, for example by the soft time limit, the coroutine is cancelled.
    """

    @functools.wraps(coroutine)
    def wait(*args: Any, **kwargs: Any) -> Any:
        """Run the coroutine and wait for it."""
        running = asyncio.run_coroutine_threadsafe(coroutine(*args, **kwargs), _loop())
        try:
            return running.result()
        finally:
            running.cancel()

    return wait


def _loop() -> asyncio.AbstractEventLoop:
    """Return the loop of this process, started for its first job; a forked process gets its own."""
    with _lock:
        if os.getpid() not in _loops:
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            # in a context of its own: it serves all jobs, not only the one that runs now
            Context().run(threading.Thread(target=_run, args=[loop], name="coroutines", daemon=True).start)
        return _loops[os.getpid()]


def _run(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        with suppress(SystemExit, KeyboardInterrupt):  # raised by a coroutine, they would end the loop
            loop.run_forever()
