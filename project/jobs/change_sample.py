"""Collect changes of jobs to show one by one: all of them while there are few, and a sample under load.

Receiving all changes of a busy installation would cost more than the jobs of a small consumer. So under load this
module listens only until it has enough changes for the next frame; the counters in Redis give the total.
"""

import asyncio
from typing import Any

from project.jobs.job_events import ALL, Changes, Heard

ENOUGH, HELD = 20, 200  # changes collected for one frame: enough while sampling, and the maximum otherwise
MANY, FEW = 100, 60  # changes per second: sampling begins above MANY, and ends at FEW or below


class ChangeSample:
    """Collects changes between two frames."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._heard: list[dict[str, Any]] = []
        self._wanted = asyncio.Event()
        self._many = False

    async def collect(self) -> None:
        """Listen until the task is cancelled."""
        while True:
            async with self._changes.watch(ALL) as changes:
                while not (self._many and len(self._heard) >= ENOUGH):
                    self._hear(await changes.get())
            await self._wanted.wait()

    def take(self, rate: float) -> list[dict[str, Any]]:
        """Return the changes since the last call; rate: how many there are per second."""
        self._many = rate > (FEW if self._many else MANY)
        heard, self._heard = self._heard, []
        self._wanted.set()
        self._wanted.clear()
        return heard

    def _hear(self, change: Heard) -> None:
        if change and len(self._heard) < HELD:
            self._heard.append(change.model_dump() | {"at": change.at.timestamp()})
