"""Send mail by SMTP."""

import re
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import localtime

from project.integrations.check import CHECK_TIMEOUT, Check
from project.integrations.deadline import Deadline, deadline
from project.integrations.mail.wire_format import POLICY, ascii_domain, envelope, unmistakable
from project.settings import Settings

CONNECT_TIMEOUT = 10  # seconds
# RFC 5321, 4.5.3.2: whoever gives up on a slow answer too early sends the mail a second time
REPLY_TIMEOUT = 60  # seconds


class MailRefused(Exception):
    """A mail server said no, and would say so again."""


# after these nobody has the mail
NOT_SENT = (MailRefused, smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused)
# what some mail program may take for the end of a line; what follows one could be a header of its own
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
DOMAIN = r"[^\s<>()\[\],;:\"\\]+"  # the library quotes what is before the @, not what is behind it
OWN_HOST = "127.0.0.1"  # of the server that comes with `make up`


def compose(
    settings: Settings, name: str, to: Sequence[str], subject: str, text: str, html: str | None = None
) -> EmailMessage:
    """Return a mail whose Message-ID is made of *name*; raise MailRefused for what no mail can carry.

    No value can become a second header. The standard library refuses line ends too, but for one at the end of a value.
    """
    if not all(re.fullmatch(ONE_LINE, line) for line in (subject, *to)):
        raise MailRefused("not a mail: the subject and each address must be one line")
    message = EmailMessage(policy=POLICY)
    try:
        sender = _address(settings.mail_from)
        message["From"] = sender
        message["To"] = [_address(address) for address in to]
        message["Subject"] = unmistakable(subject)
        message["Date"] = localtime()
        message["Message-ID"] = f"<{name}@{ascii_domain(sender.domain)}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies, please
        message.set_content(text)
        if html:
            message.add_alternative(html, subtype="html")
    except (ValueError, TypeError, IndexError) as error:  # the parser of addresses raises all three
        raise MailRefused(f"not a mail: {error}") from None
    return message


def _address(text: str) -> Address:
    """Return an address for a header; given in one piece, the standard library refuses letters beyond ASCII."""
    local, _, domain = text.rpartition("@")
    if not local or not re.fullmatch(DOMAIN, domain):
        raise ValueError(f"{text!r} is no address")
    return Address(username=local, domain=domain)


@contextmanager
def connection(
    settings: Settings, timeout: float = CONNECT_TIMEOUT, limit: float | None = None
) -> Iterator[smtplib.SMTP]:
    """Connect, encrypt and log in as the settings say; raise MailRefused if the server does not want that.

    Other errors (smtplib's, OSError) may be gone later. All that is done with it ends after *limit* seconds, by default
    TASK_TIME_LIMIT, with a TimeoutError.
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
            # the mail is handed over: how the server says goodbye must not have it sent again
            with suppress(smtplib.SMTPException):
                smtp.quit()


def hand_over(smtp: smtplib.SMTP, message: EmailMessage) -> dict[str, str]:
    """Hand a mail to the server for all its recipients; return which of them it refused, and why.

    Raises MailRefused if it takes the mail for nobody, and smtplib's errors or OSError if it may do so later.
    """
    if smtp.sock:
        smtp.sock.settimeout(REPLY_TIMEOUT)
    with _final_refusals():
        smtp.ehlo_or_helo_if_needed()
        told = envelope(message, smtp.has_extn("smtputf8"))
        if not told.recipients:
            raise MailRefused("; ".join(f"{address}: {why}" for address, why in told.refused.items()))
        refused = smtp.sendmail(told.sender, list(told.recipients), told.data, told.options)
    return told.refused | {told.recipients[address]: _said(*answer) for address, answer in refused.items()}


def check(settings: Settings) -> Check:
    """Say whether the mail server takes connections, and the login if there is one."""
    name, where = "SMTP", f"{settings.smtp_host or OWN_HOST}:{settings.smtp_port}"
    try:
        with connection(settings, CHECK_TIMEOUT, 2 * CHECK_TIMEOUT) as smtp:
            smtp.noop()
    except MailRefused as error:
        cure = "correct the settings SMTP_…; SSL_CERT_FILE names the file of an authority of your own"
        return Check(name, "failed", f"{where}: {error}", cure)
    except (OSError, smtplib.SMTPException) as error:
        cure = "correct SMTP_HOST, SMTP_PORT or SMTP_SECURITY" if settings.smtp_host else "start the stack"
        return Check(name, "failed", f"{where} does not answer: {error}", cure)
    return Check(name, "ok", f"{where} takes mail")


def _connect(settings: Settings, timeout: float, end: Deadline) -> smtplib.SMTP:
    host, port = settings.smtp_host or OWN_HOST, settings.smtp_port
    if settings.smtp_security == "tls":
        return end.client(smtplib.SMTP_SSL, host, port, timeout=timeout, context=ssl.create_default_context())
    return end.client(smtplib.SMTP, host, port, timeout=timeout)


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
    except ssl.SSLCertVerificationError as error:
        raise MailRefused(f"the server's certificate is not trusted: {error.verify_message}") from None
    except (smtplib.SMTPNotSupportedError, ValueError) as error:
        raise MailRefused(str(error)) from None
    except smtplib.SMTPException as error:
        if type(error) is smtplib.SMTPException:  # so smtplib says that the server offers no login that it knows
            raise MailRefused(str(error)) from None
        raise


def _said(code: int, text: bytes | str) -> str:
    """Return an answer of the server as one line."""
    line = text.decode(errors="replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(line.split())}"
