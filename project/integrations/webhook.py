"""POST notifications to NOTIFY_URL; whoever knows that address can post there, so no error has it."""

from typing import Any
from urllib.parse import urlsplit

import httpx

from project.integrations.checks import CHECK_TIMEOUT, Check
from project.settings import Settings

TIMEOUT = 10  # seconds to wait for an answer
# Too Early and Too Many Requests say so in their names, and Request Timeout is about this request
LATER = (408, 425, 429)


class NotifyRefused(Exception):
    """The receiver said no, and would say so again."""


class NotifyFailed(Exception):
    """The notification was not taken for now."""


def post(settings: Settings, notification: dict[str, Any], headers: dict[str, str]) -> None:
    """POST a notification as JSON; raise NotifyRefused if the receiver does not want it, else NotifyFailed."""
    try:
        answer = httpx.post(settings.notify_url.get_secret_value(), json=notification, headers=headers, timeout=TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL) as error:  # the texts of some have the address
        raise NotifyFailed(f"NOTIFY_URL does not answer: {type(error).__name__}") from None
    if answer.is_success:
        return
    refused = answer.is_client_error and answer.status_code not in LATER
    raise (NotifyRefused if refused else NotifyFailed)(f"NOTIFY_URL answered {answer.status_code}")


def check(settings: Settings) -> Check:
    """Say whether the receiver answers at all; nothing is posted, so not whether it would take a notification."""
    name, url = "webhook", settings.notify_url.get_secret_value()
    if not url:
        return Check(name, "off", "NOTIFY_URL is empty")
    host = urlsplit(url).hostname
    try:
        httpx.head(url, timeout=CHECK_TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Check(name, "failed", f"{host} does not answer: {type(error).__name__}", "correct NOTIFY_URL")
    return Check(name, "ok", f"{host} answers")
