"""Encode a mail for SMTP, so that every server can relay it and it arrives unchanged.

The standard library (Python 3.11, 3.12) loses spaces when it folds long subjects beyond ASCII (bpo-89462, gh-92081,
gh-144156), and smtplib's send_message writes `>From ` for lines that begin with `From `.
"""

import copy
import re
from dataclasses import dataclass
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any

from email_validator import EmailNotValidError, validate_email

NEEDS_SMTPUTF8 = "the server accepts only ASCII before the @ (it does not support SMTPUTF8)"
NO_FOLDING = 10_000  # characters; long enough that the library folds no line
_SIMPLE = re.compile(r"[!-~]+( [!-~]+)*")  # single spaces between words, none at the ends


class _WirePolicy(EmailPolicy):
    """The library's policy, with the older, correct folding of subjects."""

    def fold(self, name: str, value: Any) -> str:
        """Return a header in its wire format."""
        return _subject(value) if name.lower() == "subject" else super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        """Return the bytes of a header in its wire format."""
        return _subject(value).encode() if name.lower() == "subject" else super().fold_binary(name, value)


# ASCII bodies: a server without 8BITMIME could change other bytes
POLICY = _WirePolicy(linesep="\r\n", cte_type="7bit")


def escape_encoded_words(subject: str) -> str:
    """Escape a subject, so that the library does not decode text that only looks encoded."""
    return Header(subject, "utf-8", maxlinelen=NO_FOLDING).encode() if "=?" in subject else subject


def ascii_domain(domain: str) -> str:
    """Return a domain in ASCII (Punycode, IDNA 2008); raise ValueError if it is invalid."""
    if domain.isascii():
        return domain
    try:
        return validate_email(f"x@{domain}", check_deliverability=False, globally_deliverable=False).ascii_domain
    except EmailNotValidError as error:
        raise ValueError(f"{domain!r} is not a domain: {error}") from None


@dataclass(frozen=True)
class Envelope:
    """A mail as sent to a server: addresses in a form that it accepts, and the bytes."""

    sender: str
    recipients: dict[str, str]  # address as sent: address as given
    refused: dict[str, str]  # given addresses that this server cannot accept, and the reasons
    options: tuple[str, ...]
    data: bytes


def envelope(message: EmailMessage, smtputf8: bool) -> Envelope:
    """Encode a mail for a server with or without SMTPUTF8; raise ValueError if the sender cannot be encoded."""
    [sender], given = message["From"].addresses, message["To"].addresses
    if smtputf8 and not all(address.addr_spec.isascii() for address in (sender, *given)):
        same = {address.addr_spec: address.addr_spec for address in given}
        data = message.as_bytes(policy=POLICY.clone(utf8=True))
        return Envelope(sender.addr_spec, same, {}, ("SMTPUTF8", "BODY=8BITMIME"), data)
    if not sender.username.isascii():
        raise ValueError(f"MAIL_FROM: {NEEDS_SMTPUTF8}")
    wire_message = copy.copy(message)
    del wire_message["From"], wire_message["To"]
    wire_message["From"] = wire_sender = _in_ascii(sender)
    possible, recipients, refused = [], {}, {}
    for address in given:
        try:
            possible.append(_in_ascii(address))
            recipients[possible[-1].addr_spec] = address.addr_spec
        except ValueError as error:
            refused[address.addr_spec] = str(error)
    wire_message["To"] = possible
    return Envelope(wire_sender.addr_spec, recipients, refused, (), wire_message.as_bytes())


def _in_ascii(address: Address) -> Address:
    if not address.username.isascii():
        raise ValueError(NEEDS_SMTPUTF8)
    return Address(username=address.username, domain=ascii_domain(address.domain))


def _subject(value: Any) -> str:
    """Return the subject header: unchanged if it is simple, else in encoded words, including the spaces."""
    text = str(value)
    if not _SIMPLE.fullmatch(text) or "=?" in text:
        text = Header(text, "utf-8", header_name="Subject").encode(linesep="\r\n")
    return f"Subject: {text}\r\n"
