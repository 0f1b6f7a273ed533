"""How a mail goes over the wire: every server can pass it on, and what is read is what was sent.

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

NEEDS_SMTPUTF8 = "the server takes ASCII only before the @ (it does not offer SMTPUTF8)"
LONGEST = 10_000  # characters of a line that is not sent as it is
_SIMPLE = re.compile(r"[!-~]+( [!-~]+)*")  # with single spaces, and none at the ends


class _WirePolicy(EmailPolicy):
    """The library's policy, with the older and right way to fold a subject."""

    def fold(self, name: str, value: Any) -> str:
        """Return a header as it is sent."""
        return _subject(value) if name.lower() == "subject" else super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        """Return the bytes of a header as it is sent."""
        return _subject(value).encode() if name.lower() == "subject" else super().fold_binary(name, value)


# bodies in ASCII: a server that does not offer 8BITMIME could change other bytes
POLICY = _WirePolicy(linesep="\r\n", cte_type="7bit")


def unmistakable(subject: str) -> str:
    """Return a subject so that the library does not decode what only looks encoded."""
    return Header(subject, "utf-8", maxlinelen=LONGEST).encode() if "=?" in subject else subject


def ascii_domain(domain: str) -> str:
    """Return a domain as servers know it: letters beyond ASCII in Punycode (IDNA 2008); ValueError if it has none."""
    if domain.isascii():
        return domain
    try:
        return validate_email(f"x@{domain}", check_deliverability=False, globally_deliverable=False).ascii_domain
    except EmailNotValidError as error:
        raise ValueError(f"{domain!r} is no domain: {error}") from None


@dataclass(frozen=True)
class Envelope:
    """What a server is told of a mail: addresses as it can take them, and bytes."""

    sender: str
    recipients: dict[str, str]  # as the server takes it: as it was given
    refused: dict[str, str]  # given addresses that this server cannot take, and why
    options: tuple[str, ...]
    data: bytes


def envelope(message: EmailMessage, smtputf8: bool) -> Envelope:
    """Return what to tell a server that offers SMTPUTF8, or does not; ValueError if the sender cannot be told."""
    [sender], given = message["From"].addresses, message["To"].addresses
    if smtputf8 and not all(address.addr_spec.isascii() for address in (sender, *given)):
        same = {address.addr_spec: address.addr_spec for address in given}
        data = message.as_bytes(policy=POLICY.clone(utf8=True))
        return Envelope(sender.addr_spec, same, {}, ("SMTPUTF8", "BODY=8BITMIME"), data)
    if not sender.username.isascii():
        raise ValueError(f"MAIL_FROM: {NEEDS_SMTPUTF8}")
    told = copy.copy(message)
    del told["From"], told["To"]
    told["From"] = wire_sender = _in_ascii(sender)
    possible, recipients, refused = [], {}, {}
    for address in given:
        try:
            possible.append(_in_ascii(address))
            recipients[possible[-1].addr_spec] = address.addr_spec
        except ValueError as error:
            refused[address.addr_spec] = str(error)
    told["To"] = possible
    return Envelope(wire_sender.addr_spec, recipients, refused, (), told.as_bytes())


def _in_ascii(address: Address) -> Address:
    if not address.username.isascii():
        raise ValueError(NEEDS_SMTPUTF8)
    return Address(username=address.username, domain=ascii_domain(address.domain))


def _subject(value: Any) -> str:
    """Return the header of a subject: as it is if that is simple, else in encoded words, spaces and all."""
    text = str(value)
    if not _SIMPLE.fullmatch(text) or "=?" in text:
        text = Header(text, "utf-8", header_name="Subject").encode(linesep="\r\n")
    return f"Subject: {text}\r\n"
