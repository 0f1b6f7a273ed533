"""Read mail by IMAP without changing the mailbox: unseen mail stays unseen."""

import email
import imaplib
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from imap_tools import AND, BaseMailBox
from imap_tools.errors import ImapToolsError
from imap_tools.utils import parse_email_date

from project.check import CHECK_TIMEOUT, Check
from project.integrations.deadline import Deadline, deadline
from project.integrations.mail import message_text
from project.integrations.mail.sending import ONE_LINE, MailRefused
from project.settings import Settings

TIMEOUT = 30  # seconds to wait for a response
MOST_BYTES = 2**20  # of a mail that are read: large mails must neither fill the memory nor use up the time
TEXT_LIMIT = 5000  # characters of a mail's text that are kept
# RFC 5530: response codes of temporary errors
TRANSIENT = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]")
SERVER_BUG = "[SERVERBUG]"  # temporary, except for a single mail


class MailUnavailable(Exception):
    """The IMAP server failed temporarily."""


class _NotSent(Exception):
    """The server refuses to send a mail; the text gives the reason."""


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

    def log_in(self) -> None:
        """Log in as configured."""
        password = self._settings.imap_password.get_secret_value()
        self.login(self._settings.imap_user, password, initial_folder=None)

    def __exit__(self, *error: object) -> None:
        """Log out; if the server fails now, the mails have been read all the same."""
        with suppress(OSError, imaplib.IMAP4.error, ImapToolsError):
            self.logout()

    def open(self, folder: str) -> None:
        """Open a folder, so that nothing in it changes."""
        self.folder.set(folder, readonly=True)

    def reconnect(self, folder: str) -> None:
        """Replace a broken connection, and open the folder again."""
        with suppress(OSError):
            self.client.shutdown()
        self.client = self._get_mailbox_client()
        self.log_in()
        self.open(folder)


def receive(settings: Settings, folder: str, unseen_only: bool, limit: int) -> list[dict[str, Any]]:
    """Return the newest mails of a folder, the newest first; one that cannot be read does not affect the others.

    Raise MailRefused for a wrong password or an unknown folder; MailUnavailable, imaplib's `abort` and OSError are
    temporary.
    """
    if not re.fullmatch(ONE_LINE, folder):
        raise MailRefused("folder: the name must be a single line")
    with connection(settings) as mailbox:
        mailbox.open(folder)
        # None: these criteria need no charset, and some servers refuse one
        uids = sorted(mailbox.uids(AND(seen=False) if unseen_only else "ALL", None), key=int)  # in any order
        found = (_read(mailbox, folder, uid) for uid in uids[: -limit - 1 : -1])
        return [mail for mail in found if mail]


@contextmanager
def connection(settings: Settings, timeout: float = TIMEOUT, limit: float | None = None) -> Iterator[_MailBox]:
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
        mailbox.log_in()
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
        refusal = MailUnavailable if any(code in str(error) for code in (*TRANSIENT, SERVER_BUG)) else MailRefused
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


def _read(mailbox: _MailBox, folder: str, uid: str, tries: int = 2) -> dict[str, Any] | None:
    """Return a mail as JSON, with an error text if it cannot be read, or None if it has been deleted meanwhile."""
    try:
        data = _fetch(mailbox, uid)
        return None if data is None else {"uid": uid, **_described(data)}
    except (imaplib.IMAP4.abort, OSError) as error:
        # some servers close the connection because they cannot read one mail (Dovecot does)
        mailbox.reconnect(folder)
        if tries > 1:
            return _read(mailbox, folder, uid, tries - 1)
        return {"uid": uid, **_unreadable(f"the connection breaks whenever this mail is fetched: {error}")}
    except _NotSent as error:
        return {"uid": uid, **_unreadable(f"the server does not send this mail: {error}")}


def _fetch(mailbox: _MailBox, uid: str) -> bytes | None:
    """Return the beginning of a mail, or None if it is gone; raise _NotSent if the server refuses only this mail."""
    mailbox.client.response("FETCH")  # forget what belongs to earlier commands
    try:
        status, data = mailbox.client.uid("fetch", uid, f"(BODY.PEEK[]<0.{MOST_BYTES}>)")
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:  # BAD
        raise _NotSent(error) from None
    if status != "OK":
        reason = b" ".join(data).decode(errors="replace")
        raise (MailUnavailable if any(code in reason for code in TRANSIENT) else _NotSent)(reason)
    return next((part[1] for part in data if isinstance(part, tuple)), None if data == [None] else b"")


def _described(data: bytes) -> dict[str, Any]:
    try:
        message = email.message_from_bytes(data, policy=message_text.SHORT_HEADERS)
        date = parse_email_date(str(message["date"] or ""))
        return {
            "from": next(iter(message_text.addresses(message, "from")), ""),
            "to": message_text.addresses(message, "to"),
            "subject": message_text.header(message, "subject"),
            "date": date.isoformat() if date.year > 1900 else None,  # 1900: the date is missing or unreadable
            "text": message_text.text(message)[:TEXT_LIMIT],
            "has_attachments": message_text.has_attachments(message),
        }
    except Exception as error:  # the standard library's parsers raise many kinds of errors
        return _unreadable(f"this mail cannot be read: {type(error).__name__}")


def _unreadable(reason: str) -> dict[str, Any]:
    return {"from": "", "to": [], "subject": "", "date": None, "text": reason[:TEXT_LIMIT], "has_attachments": False}
