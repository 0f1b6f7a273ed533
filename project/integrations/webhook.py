"""POST notifications to NOTIFY_URL. The URL is a secret: anyone who has it can post there, so no error contains it."""

from typing import Any
from urllib.parse import urlsplit

from project.check import CHECK_TIMEOUT, Check
from project.settings import Settings

TIMEOUT = 10  # seconds for a whole notification
#: Answers that mean "try again": Request Timeout, Too Early, Too Many Requests.
TEMPORARY = (408, 425, 429)


class NotifyRefused(Exception):
    """The receiver refused the notification permanently."""


class NotifyFailed(Exception):
    """The notification failed temporarily; a retry may succeed."""


def post(settings: Settings, notification: dict[str, Any], headers: dict[str, str]) -> None:
    """POST a notification as JSON; raise NotifyRefused for a permanent refusal, else NotifyFailed."""
    from project.integrations import http_request  # noqa: PLC0415 - only processes that send need httpx

    url = settings.notify_url.get_secret_value()
    try:
        code = http_request.status_code("POST", url, TIMEOUT, json=notification, headers=headers)
    except http_request.NoAnswer as error:
        raise NotifyFailed(f"NOTIFY_URL does not answer: {error}") from None
    if 200 <= code < 300:
        return
    refused = 400 <= code < 500 and code not in TEMPORARY
    raise (NotifyRefused if refused else NotifyFailed)(f"NOTIFY_URL answered {code}")


def check(settings: Settings) -> Check:
    """Check that the receiver answers; post nothing, so it stays unknown whether it accepts notifications."""
    from project.integrations import http_request  # noqa: PLC0415 - as above

    name, url = "webhook", settings.notify_url.get_secret_value()
    if not url:
        return Check(name, "off", "NOTIFY_URL is empty")
    host = urlsplit(url).hostname
    try:
        http_request.status_code("HEAD", url, CHECK_TIMEOUT)
    except http_request.NoAnswer as error:
        return Check(name, "failed", f"{host} does not answer: {error}", "correct NOTIFY_URL")
    return Check(name, "ok", f"{host} answers")
