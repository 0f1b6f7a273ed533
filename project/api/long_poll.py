"""Long polling: respond when a job ends, unless the client disconnects first."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import Request, Response


async def long_poll(request: Request, response: Response, seconds: float, answer: Coroutine[Any, Any, Any]) -> Any:
    """Return the answer, which takes up to *seconds*; confirm the client's preference to wait (RFC 7240)."""
    if not seconds:
        return await answer
    if "prefer" in request.headers:
        response.headers["Preference-Applied"] = f"wait={seconds:g}"
    return await _unless_disconnected(request, answer)


async def _unless_disconnected(request: Request, answer: Coroutine[Any, Any, Any]) -> Any:
    """Return the answer, or give up when the client disconnects."""

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    tasks = asyncio.ensure_future(answer), asyncio.ensure_future(disconnected())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0].result() if tasks[0].done() else Response(status_code=499)
    finally:
        for task in tasks:
            task.cancel()
