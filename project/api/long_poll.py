"""Long polling: respond when a job ends, unless the client disconnects first."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import Request, Response
from starlette.types import Receive

DISCONNECTED = 499  # as NGINX logs it


async def long_poll(request: Request, response: Response, seconds: float, answer: Coroutine[Any, Any, Any]) -> Any:
    """Return the answer, which takes up to *seconds*; confirm the client's preference to wait (RFC 7240)."""
    if not seconds:
        return await answer
    if "prefer" in request.headers:
        response.headers["Preference-Applied"] = f"wait={seconds:g}"
    answered = await unless_disconnected(request.receive, answer)
    return Response(status_code=DISCONNECTED) if answered is None else answered


async def unless_disconnected(receive: Receive, answer: Coroutine[Any, Any, Any]) -> Any:
    """Return the answer, or give up and return None when the client disconnects."""

    async def disconnected() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    tasks = asyncio.ensure_future(answer), asyncio.ensure_future(disconnected())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0].result() if tasks[0].done() else None
    finally:
        for task in tasks:
            task.cancel()
