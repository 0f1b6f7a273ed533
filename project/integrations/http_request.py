"""Send an HTTP request with a time limit; in its own module, because httpx needs 4 MiB per process."""

import asyncio
from typing import Any

import httpx

from project.proxies import proxy_for


class NoAnswer(Exception):
    """The server did not answer; the text is only the type of the error, because others contain the address."""


def status_code(method: str, url: str, seconds: float, **request: Any) -> int:
    """Send a request and return the status of the response without reading its body, which may be endless.

    seconds: limit for the whole request (the timeouts of httpx start again with each byte). Raise NoAnswer.
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
