"""Replace the processes that run the project's code when it changes: `make up RELOAD=1`.

The new processes start while the old ones finish their jobs and requests; those that take longer than SHUTDOWN_TIMEOUT
go back to their queues.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from project.native import ready
from project.native.child import Child
from project.native.keeper import Keeper
from project.native.output import Output
from project.native.part import Part

CODE = (".py", ".lua")
OURS = str(Path(__file__).parent)  # the launcher's own code, which only a new start can change
CHECK = Part("check", [sys.executable, str(Path(__file__).with_name("load_app.py"))])
Replace = Callable[[Keeper], Coroutine[Any, Any, None]]


class Reloader:
    """Wait for changes, load the changed code in a process of its own, then restart the others if that succeeds."""

    def __init__(
        self, keepers: Iterable[Keeper], preload: str, output: Output, replace: Replace, failed: set[str]
    ) -> None:
        self._keepers = [keeper for keeper in keepers if keeper.part.reload]
        self._preload, self._output, self._replace = preload, output, replace
        self._failed = failed
        self._check: Child | None = None
        self._found: list[bytes] = []

    async def run(self, folders: list[str]) -> None:
        """Watch folders until this task is cancelled."""
        from watchfiles import awatch  # noqa: PLC0415  # needed only here

        preparing = asyncio.create_task(self._prepare())
        try:
            async for changes in awatch(*folders, watch_filter=_is_code, step=50):
                preparing.cancel()
                await self._reload({path for _, path in changes})
                preparing = asyncio.create_task(self._prepare())
        except OSError as error:  # for example too few inotify watches
            self._output.say(
                f"glassqueue: RELOAD: cannot watch {', '.join(folders)}: {error}; restart the stack yourself"
            )
        finally:
            preparing.cancel()

    async def end(self) -> None:
        """Kill the process that waits to load the code."""
        if self._check:
            self._check.signal(os.killpg, signal.SIGKILL)
            await self._check.ended.wait()

    def reap(self) -> None:
        """Reap the process that has loaded the code."""
        if self._check:
            self._check.reap()

    async def _reload(self, paths: set[str]) -> None:
        begin, names = time.monotonic(), ", ".join(sorted(map(os.path.relpath, paths)))
        if reason := await self._load():
            self._output.say(f"\n{reason}\nThe running processes keep the old code until this error is fixed.\n")
            return
        self._output.say(f"glassqueue: {names} changed; restarting {', '.join(self._names())}")
        self._output.quiet = True
        await asyncio.gather(*map(self._replace, self._keepers))
        silent = await ready.all_up([keeper.part for keeper in self._keepers], self._failed)
        self._output.quiet = False
        state = f"no answer after {ready.DEADLINE} s: {', '.join(silent)}" if silent else "restarted"
        self._output.say(f"glassqueue: {state} in {time.monotonic() - begin:.1f} s")

    async def _load(self) -> str:
        """Load the changed code in a process of its own; return what it prints if that fails."""
        check = self._check = self._check or self._start_check()
        check.release()
        code = await check.wait()
        self._check = None
        if code == 0:
            return ""
        text = b"\n".join(self._found).decode(errors="replace")
        return text.replace("cannot start", "cannot load the changed code", 1)

    async def _prepare(self) -> None:
        """Start the processes that the next change needs, one after the other, so that one core stays free."""
        check = self._check = self._check or self._start_check()
        await check.until_warm()
        for keeper in self._keepers:
            await keeper.prepare(self._preload)

    def _start_check(self) -> Child:
        self._found = []
        return Child(CHECK, self._found.append, self._found.append, self._preload)

    def _names(self) -> list[str]:
        return list(dict.fromkeys(keeper.part.name.split(".")[0] for keeper in self._keepers))


def _is_code(_: object, path: str) -> bool:
    return path.endswith(CODE) and not path.startswith(OURS) and not os.path.basename(path).startswith(".")
