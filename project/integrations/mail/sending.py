"""Send mail by SMTP."""

import re
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime

from project.check import CHECK_TIMEOUT, Check
from project.integrations.deadline import Deadline, deadline
from project.integrations.mail.wire_format import POLICY, ascii_domain, envelope, escape_encoded_words
from project.settings import Settings

CONNECT_TIMEOUT = 10  # seconds
# RFC 5321, 4.5.3.2: a client that gives up on a slow reply too early sends the mail a second time
REPLY_TIMEOUT = 60  # seconds


class MailRefused(Exception):
    """A mail server refused the mail permanently."""


# after these errors no recipient has the mail
NOT_SENT = (MailRefused, smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused)
# excludes all characters that some mail program treats as a line break, which would allow header injection
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
DOMAIN = r"[^\s<>()\[\],;:\"\\]+"  # the library quotes the part before the @, but not the domain
OWN_HOST = "127.0.0.1"  # the host of the server that `make up` starts


def compose(
    settings: Settings, name: str, to: Sequence[str], subject: str, text: str, html: str | None = None
) -> EmailMessage:
    """Return a mail with a Message-ID derived from *name*; raise MailRefused for invalid values.

    No value can inject a header. The standard library refuses line breaks too, except at the end of a value.
    """
    if not all(re.fullmatch(ONE_LINE, line) for line in (subject, *to)):
        raise MailRefused("the mail is invalid: the subject and each address must be a single line")
    message = EmailMessage(policy=POLICY)
    try:
        sender = _address(settings.mail_from)
        message["From"] = sender
        message["To"] = [_address(address) for address in to]
        message["Subject"] = escape_encoded_words(subject)
        message["Date"] = localtime()
        message["Message-ID"] = f"<{name}@{ascii_domain(sender.domain)}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents automatic replies
        message.set_content(text)
        if html:
            message.add_alternative(html, subtype="html")
    except (ValueError, TypeError, IndexError) as error:  # the address parser raises all three
        raise MailRefused(f"the mail is invalid: {error}") from None
    return message


def _address(text: str) -> Address:
    """Return an address for a header, built from its parts: as one string it could not contain non-ASCII characters."""
    local, _, domain = text.rpartition("@")
    if not local or not re.fullmatch(DOMAIN, domain):
        raise ValueError(f"{text!r} is not an address")
    return Address(username=local, domain=domain)


@contextmanager
def connection(
    settings: Settings, timeout: float = CONNECT_TIMEOUT, limit: float | None = None
) -> Iterator[smtplib.SMTP]:
    """Connect, encrypt and log in as configured; raise MailRefused for permanent errors.

    Other errors (smtplib's, OSError) are temporary. The whole connection may take *limit* seconds, by default
    TASK_TIME_LIMIT; then raise TimeoutError.
    """
    with deadline(limit or settings.task_time_limit, "the mail server") as end:
        with _final_refusals():
            smtp = _connect(settings, timeout, end)
        with closing(smtp):
            with _final_refusals():
                if settings.smtp_security == "starttls":
                    smtp.starttls(context=ssl.create_default_context())
                if settings.smtp_user:
                    smtp.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            yield smtp
            # the server has accepted the mail: an error in QUIT must not make the job send it again
            with suppress(smtplib.SMTPException):
                smtp.quit()


def hand_over(smtp: smtplib.SMTP, message: EmailMessage) -> dict[str, str]:
    """Send a mail to all its recipients; return those that the server refused, with the reasons.

    Raise MailRefused if the server permanently refuses all recipients, and smtplib's errors or OSError for temporary
    errors.
    """
    if smtp.sock:
        smtp.sock.settimeout(REPLY_TIMEOUT)
    with _final_refusals():
        smtp.ehlo_or_helo_if_needed()
        wire = envelope(message, smtp.has_extn("smtputf8"))
        if not wire.recipients:
            raise MailRefused("; ".join(f"{address}: {why}" for address, why in wire.refused.items()))
        refused = smtp.sendmail(wire.sender, list(wire.recipients), wire.data, wire.options)
    return wire.refused | {wire.recipients[address]: _one_line(*answer) for address, answer in refused.items()}


def check(settings: Settings) -> Check:
    """Check that the mail server accepts connections, and the login if one is set."""
    name, where = "SMTP", f"{settings.smtp_host or OWN_HOST}:{settings.smtp_port}"
    try:
        with connection(settings, CHECK_TIMEOUT, 2 * CHECK_TIMEOUT) as smtp:
            smtp.noop()
    except MailRefused as error:
        cure = "correct the settings SMTP_…; for your own certificate authority, set SSL_CERT_FILE"
        return Check(name, "failed", f"{where}: {error}", cure)
    except (OSError, smtplib.SMTPException) as error:
        cure = "correct SMTP_HOST, SMTP_PORT or SMTP_SECURITY" if settings.smtp_host else "start the stack"
        return Check(name, "failed", f"{where} does not answer: {error}", cure)
    return Check(name, "ok", f"{where} accepts mail")


def _connect(settings: Settings, timeout: float, end: Deadline) -> smtplib.SMTP:
    host, port = settings.smtp_host or OWN_HOST, settings.smtp_port
    if settings.smtp_security == "tls":
        return end.client(smtplib.SMTP_SSL, host, port, timeout=timeout, context=ssl.create_default_context())
    return end.client(smtplib.SMTP, host, port, timeout=timeout)


@contextmanager
def _final_refusals() -> Iterator[None]:
    """Turn permanent errors of smtplib into MailRefused."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        reasons = error.recipients.values()
        if all(code >= 500 for code, _ in reasons):
            refusals = "; ".join(f"{address}: {_one_line(*reason)}" for address, reason in error.recipients.items())
            raise MailRefused(refusals) from None
        raise
    except smtplib.SMTPResponseException as error:
        if error.smtp_code >= 500:
            raise MailRefused(_one_line(error.smtp_code, error.smtp_error)) from None
        raise
    except ssl.SSLCertVerificationError as error:
        raise MailRefused(f"the server's certificate is not trusted: {error.verify_message}") from None
    except (smtplib.SMTPNotSupportedError, ValueError) as error:
        raise MailRefused(str(error)) from None
    except smtplib.SMTPException as error:
        if type(error) is smtplib.SMTPException:  # no login method in common with the server
            raise MailRefused(str(error)) from None
        raise


def _one_line(code: int, text: bytes | str) -> str:
    """Return a reply of the server as one line."""
    line = text.decode(errors="replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(line.split())}"
