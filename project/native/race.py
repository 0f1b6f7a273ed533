"""Wait for the first of several things."""

import asyncio
from collections.abc import Awaitable
from typing import Any


async def race(*several: Awaitable[Any]) -> None:
    """Wait until the first one has ended, and cancel the others."""
    tasks = [asyncio.ensure_future(one) for one in several]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
