"""Tasks that are declared with `async def`: their bodies run in one event loop per process, side by side.

A slot waits for its coroutine, so a consumer runs as many at a time as it has slots: the threads pool has many. One
loop, not one per job, because clients of databases and HTTP keep their connections in the loop they were made in.
"""

import asyncio
import functools
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

_loops: dict[int, asyncio.AbstractEventLoop] = {}
_lock = threading.Lock()


def as_function(coroutine: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    """Return a function that runs the coroutine in this process's loop and waits for what it returns or raises.

    Whoever interrupts the waiting, as the soft time limit does, cancels the coroutine.
    """

    @functools.wraps(coroutine)
    def wait(*args: Any, **kwargs: Any) -> Any:
        running = asyncio.run_coroutine_threadsafe(coroutine(*args, **kwargs), _loop())
        try:
            return running.result()
        finally:
            running.cancel()

    return wait


def _loop() -> asyncio.AbstractEventLoop:
    """Return the loop of this process, started at its first job; a forked process gets one of its own."""
    with _lock:
        if os.getpid() not in _loops:
            loop = _loops[os.getpid()] = asyncio.new_event_loop()
            threading.Thread(target=_run, args=[loop], name="coroutines", daemon=True).start()
        return _loops[os.getpid()]


def _run(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        with suppress(SystemExit, KeyboardInterrupt):  # asyncio lets them end the loop, and with it all other jobs
            loop.run_forever()
