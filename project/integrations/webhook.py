"""POST notifications to NOTIFY_URL; whoever knows that address can post there, so no error has it."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import httpx

from project.integrations.check import CHECK_TIMEOUT, Check
from project.proxies import proxy_for
from project.settings import Settings

TIMEOUT = 10  # seconds that a notification may take in all
# Too Early and Too Many Requests say so in their names, and Request Timeout is about this request
LATER = (408, 425, 429)
FAILURES = (httpx.HTTPError, httpx.InvalidURL, TimeoutError)


class NotifyRefused(Exception):
    """The receiver said no, and would say so again."""


class NotifyFailed(Exception):
    """The notification was not taken for now."""


def post(settings: Settings, notification: dict[str, Any], headers: dict[str, str]) -> None:
    """POST a notification as JSON; raise NotifyRefused if the receiver does not want it, else NotifyFailed."""
    try:
        url = settings.notify_url.get_secret_value()
        code = asyncio.run(_ask("POST", url, TIMEOUT, json=notification, headers=headers))
    except FAILURES as error:  # the texts of some have the address
        raise NotifyFailed(f"NOTIFY_URL does not answer: {type(error).__name__}") from None
    if httpx.codes.is_success(code):
        return
    refused = httpx.codes.is_client_error(code) and code not in LATER
    raise (NotifyRefused if refused else NotifyFailed)(f"NOTIFY_URL answered {code}")


def check(settings: Settings) -> Check:
    """Say whether the receiver answers at all; nothing is posted, so not whether it would take a notification."""
    name, url = "webhook", settings.notify_url.get_secret_value()
    if not url:
        return Check(name, "off", "NOTIFY_URL is empty")
    host = urlsplit(url).hostname
    try:
        asyncio.run(_ask("HEAD", url, CHECK_TIMEOUT))
    except FAILURES as error:
        return Check(name, "failed", f"{host} does not answer: {type(error).__name__}", "correct NOTIFY_URL")
    return Check(name, "ok", f"{host} answers")


async def _ask(method: str, url: str, seconds: float, **request: Any) -> int:
    """Return the status of the answer, whose body is not read: it may have no end.

    Raises a TimeoutError after those seconds: the timeouts of httpx begin anew with each byte.
    """
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(timeout=seconds, transport=httpx.AsyncHTTPTransport(proxy=proxy_for(url))) as client,
        client.stream(method, url, **request) as answer,
    ):
        return answer.status_code
