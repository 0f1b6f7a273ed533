"""Send mail by SMTP."""

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime

from project.integrations.checks import CHECK_TIMEOUT, Check
from project.settings import Settings

CONNECT_TIMEOUT = 10  # seconds
# RFC 5321, 4.5.3.2: whoever gives up on a slow answer too early sends the mail a second time
REPLY_TIMEOUT = 60  # seconds


class MailRefused(Exception):
    """A mail server said no, and would say so again."""


# after these nobody has the mail
NOT_SENT = (MailRefused, smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused)
OWN_HOST = "127.0.0.1"  # of the server that comes with `make up`


def compose(
    settings: Settings, name: str, to: Sequence[str], subject: str, text: str, html: str | None = None
) -> EmailMessage:
    """Return a mail whose Message-ID is made of *name*; raise MailRefused for what no mail can carry.

    The header classes of the standard library refuse line breaks, so no value can become a second header.
    """
    message = EmailMessage(policy=policy.SMTP)
    try:
        sender = Address(addr_spec=settings.mail_from)
        message["From"] = sender
        message["To"] = [Address(addr_spec=address) for address in to]
        message["Subject"] = subject
        message["Date"] = localtime()
        message["Message-ID"] = f"<{name}@{sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies, please
        message.set_content(text)
        if html:
            message.add_alternative(html, subtype="html")
    except (ValueError, TypeError, IndexError) as error:  # the parser of addresses raises all three
        raise MailRefused(f"not a mail: {error}") from None
    return message


@contextmanager
def connection(settings: Settings, timeout: float = CONNECT_TIMEOUT) -> Iterator[smtplib.SMTP]:
    """Connect, encrypt and log in as the settings say; raise MailRefused if the server does not want that.

    Other errors (smtplib's, OSError) may be gone later.
    """
    host, context = settings.smtp_host or OWN_HOST, ssl.create_default_context()
    if settings.smtp_security == "tls":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(host, settings.smtp_port, timeout=timeout, context=context)
    else:
        smtp = smtplib.SMTP(host, settings.smtp_port, timeout=timeout)
    try:
        with _final_refusals():
            if settings.smtp_security == "starttls":
                smtp.starttls(context=context)
            if settings.smtp_user:
                smtp.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        yield smtp
        # the mail is handed over: how the server says goodbye must not have it sent again
        with suppress(smtplib.SMTPException):
            smtp.quit()
    finally:
        smtp.close()


def hand_over(smtp: smtplib.SMTP, message: EmailMessage) -> dict[str, str]:
    """Hand a mail to the server for all its recipients; return which of them it refused, and why.

    Raises MailRefused if it takes the mail for nobody, and smtplib's errors or OSError if it may do so later.
    """
    if smtp.sock:
        smtp.sock.settimeout(REPLY_TIMEOUT)
    with _final_refusals():
        refused = smtp.send_message(message)
    return {address: _said(code, text) for address, (code, text) in refused.items()}


def check(settings: Settings) -> Check:
    """Say whether the mail server takes connections, and the login if there is one."""
    name, where = "SMTP", f"{settings.smtp_host or OWN_HOST}:{settings.smtp_port}"
    try:
        with connection(settings, CHECK_TIMEOUT) as smtp:
            smtp.noop()
    except ssl.SSLCertVerificationError as error:
        found = f"{where} shows a certificate that is not trusted: {error.verify_message}"
        return Check(name, "failed", found, "correct SMTP_HOST, or name your authority's file in SSL_CERT_FILE")
    except MailRefused as error:
        return Check(name, "failed", f"{where}: {error}", "correct SMTP_USER, SMTP_PASSWORD or SMTP_SECURITY")
    except (OSError, smtplib.SMTPException) as error:
        cure = "correct SMTP_HOST, SMTP_PORT or SMTP_SECURITY" if settings.smtp_host else "start the stack"
        return Check(name, "failed", f"{where} does not answer: {error}", cure)
    return Check(name, "ok", f"{where} takes mail")


@contextmanager
def _final_refusals() -> Iterator[None]:
    """Turn those errors of smtplib that another try would meet again into MailRefused."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        reasons = error.recipients.values()
        if all(code >= 500 for code, _ in reasons):
            told = "; ".join(f"{address}: {_said(*reason)}" for address, reason in error.recipients.items())
            raise MailRefused(told) from None
        raise
    except smtplib.SMTPResponseException as error:
        if error.smtp_code >= 500:
            raise MailRefused(_said(error.smtp_code, error.smtp_error)) from None
        raise
    except (smtplib.SMTPNotSupportedError, ValueError) as error:
        raise MailRefused(str(error)) from None


def _said(code: int, text: bytes | str) -> str:
    """Return an answer of the server as one line."""
    line = text.decode(errors="replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(line.split())}"
