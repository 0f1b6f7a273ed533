"""Read mail by IMAP without changing the mailbox: unseen mail stays unseen."""

import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imap_tools import AND, BaseMailBox, MailMessage
from imap_tools.errors import ImapToolsError

from project.check import CHECK_TIMEOUT, Check
from project.integrations.deadline import Deadline, deadline
from project.integrations.mail import message_text
from project.integrations.mail.sending import ONE_LINE, MailRefused
from project.settings import Settings

TIMEOUT = 30  # seconds to wait for a response
TEXT_LIMIT = 5000  # characters of a mail's text that are kept
# RFC 5530: response codes of temporary errors
TRANSIENT = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]")


class MailUnavailable(Exception):
    """The IMAP server failed temporarily."""


class _MailBox(BaseMailBox):
    """imap_tools' mailbox on a connection with a deadline."""

    def __init__(self, settings: Settings, timeout: float, end: Deadline) -> None:
        self._settings, self._timeout, self._end = settings, timeout, end
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        security, context = self._settings.imap_security, ssl.create_default_context()
        kind, options = (imaplib.IMAP4_SSL, {"ssl_context": context}) if security == "tls" else (imaplib.IMAP4, {})
        where = self._settings.imap_host, self._settings.imap_port
        client: imaplib.IMAP4 = self._end.client(kind, *where, timeout=self._timeout, **options)
        if security == "starttls":
            client.starttls(context)
        return client


def receive(settings: Settings, folder: str, unseen_only: bool, limit: int) -> list[dict[str, Any]]:
    """Return the newest mails of a folder, the newest first.

    Raise MailRefused for a wrong password or an unknown folder; MailUnavailable, imaplib's `abort` and OSError are
    temporary.
    """
    if not re.fullmatch(ONE_LINE, folder):
        raise MailRefused("folder: the name must be a single line")
    with connection(settings) as mailbox:
        mailbox.folder.set(folder, readonly=True)
        # None: these criteria need no charset, and some servers refuse one
        criteria = AND(seen=False) if unseen_only else "ALL"
        messages = mailbox.fetch(criteria, None, mark_seen=False, limit=limit, reverse=True)
        return [_describe(message) for message in messages]


@contextmanager
def connection(settings: Settings, timeout: float = TIMEOUT, limit: float | None = None) -> Iterator[BaseMailBox]:
    """Connect, encrypt and log in as configured; raise MailRefused for permanent errors.

    The whole connection may take *limit* seconds, by default TASK_TIME_LIMIT; then raise TimeoutError.
    """
    if not settings.imap_host:
        raise MailRefused("IMAP_HOST is empty: set it to the server with the mailbox")
    with (
        deadline(limit or settings.task_time_limit, "the IMAP server") as end,
        _final_refusals(),
        _MailBox(settings, timeout, end) as mailbox,
    ):
        mailbox.login(settings.imap_user, settings.imap_password.get_secret_value(), initial_folder=None)
        yield mailbox


@contextmanager
def _final_refusals() -> Iterator[None]:
    """Turn permanent errors into MailRefused."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise MailRefused(f"the server's certificate is not trusted: {error.verify_message}") from None
    except imaplib.IMAP4.abort:  # a broken connection, which is also an IMAP4.error
        raise
    except (ImapToolsError, imaplib.IMAP4.error) as error:
        refusal = MailUnavailable if any(code in str(error) for code in TRANSIENT) else MailRefused
        raise refusal(str(error)) from None


def check(settings: Settings) -> Check:
    """Check that the mailbox can be read."""
    name, where = "IMAP", f"{settings.imap_host}:{settings.imap_port}"
    if not settings.imap_host:
        return Check(name, "off", "IMAP_HOST is empty")
    try:
        with connection(settings, CHECK_TIMEOUT, 2 * CHECK_TIMEOUT):
            return Check(name, "ok", f"{where} accepts the login")
    except MailRefused as error:
        cure = "correct the settings IMAP_…; for your own certificate authority, set SSL_CERT_FILE"
        return Check(name, "failed", f"{where}: {error}", cure)
    except (OSError, MailUnavailable, imaplib.IMAP4.error) as error:
        found = f"{where} does not answer: {error}"
        return Check(name, "failed", found, "correct IMAP_HOST, IMAP_PORT or IMAP_SECURITY")


def _describe(message: MailMessage) -> dict[str, Any]:
    """Return a mail as JSON; a mail that cannot be parsed gets an error text and does not affect the others."""
    try:
        return {
            "uid": message.uid,
            "from": next(iter(message_text.addresses(message.obj, "from")), ""),
            "to": message_text.addresses(message.obj, "to"),
            "subject": message_text.header(message.obj, "subject"),
            "date": message.date.isoformat()
            if message.date.year > 1900
            else None,  # 1900: the date is missing or unreadable
            "text": message_text.text(message.obj)[:TEXT_LIMIT],
            "has_attachments": message_text.has_attachments(message.obj),
        }
    except Exception as error:  # the standard library's parsers raise many kinds of errors
        problem = f"this mail cannot be read: {type(error).__name__}"
        unknown: dict[str, Any] = {
            "from": "",
            "to": [],
            "subject": "",
            "date": None,
            "text": problem,
            "has_attachments": False,
        }
        return {"uid": message.uid, **unknown}
