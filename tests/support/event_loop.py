"""Run what the producer does in its event loop."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from project.jobs.service import Jobs

T = TypeVar("T")


def in_event_loop(jobs: Jobs, call: Coroutine[Any, Any, T]) -> T:
    """Return the answer of a call such as `jobs.submit(…)`, from a loop like that of the producer."""

    async def run() -> T:
        async with jobs.app.broker.in_event_loop():
            return await call

    return asyncio.run(run())
