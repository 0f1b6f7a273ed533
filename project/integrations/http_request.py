"""One HTTP request whose duration is bounded; apart from its callers because httpx takes 4 MiB in each process."""

import asyncio
from typing import Any

import httpx

from project.proxies import proxy_for


class NoAnswer(Exception):
    """The server did not answer; the text is only the kind of error, as others hold the address."""


def status_code(method: str, url: str, seconds: float, **request: Any) -> int:
    """Send a request and return the status of the answer, whose body is not read: it may have no end.

    seconds: limit for the whole request (the timeouts of httpx begin anew with each byte). Raises NoAnswer.
    """
    try:
        return asyncio.run(_send(method, url, seconds, request))
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise NoAnswer(type(error).__name__) from None


async def _send(method: str, url: str, seconds: float, request: dict[str, Any]) -> int:
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(timeout=seconds, transport=httpx.AsyncHTTPTransport(proxy=proxy_for(url))) as client,
        client.stream(method, url, **request) as answer,
    ):
        return answer.status_code
