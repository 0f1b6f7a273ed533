"""Decode the headers (RFC 2047) and texts of a received mail, whatever encoding its sender has used.

Characters that cannot be decoded become the replacement character; none is dropped.
"""

import binascii
import re
from collections.abc import Iterator
from email.message import Message
from email.policy import Compat32
from email.utils import getaddresses
from itertools import groupby

LONGEST_HEADER = 100_000  # characters
# encoded words in Q encoding must not contain spaces and question marks, but some mail does; they end before the
# beginning of another word, so that a search for the end of each of many words takes linear time
_WORD = re.compile(r"=\?([^?*\s]+)(?:\*[^?]*)?\?([bBqQ])\?((?:(?!=\?[^=]).)*?)\?=")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class _ShortHeaders(Compat32):
    """The default policy, but long headers are shortened: the library takes quadratic time for some."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        """Return the name and the shortened value of a header."""
        name, value = super().header_source_parse(sourcelines)
        return name, value[:LONGEST_HEADER]


SHORT_HEADERS = _ShortHeaders()


def header(message: Message, name: str) -> str:
    """Return a header as one line of text, or "" if the message lacks it."""
    return next((_one_line(_decoded(raw)) for raw in _raw(message, name)), "")


def addresses(message: Message, name: str) -> list[str]:
    """Return the addresses in all headers of a name, without display names."""
    # display names may contain characters that would end them, and are not needed
    found = getaddresses([_one_line(_plain(_WORD.sub("x", raw))) for raw in _raw(message, name)])
    return [address.strip() for _, address in found if "@" in address]


def text(message: Message) -> str:
    """Return the plain text, followed by that of forwarded mails, each under its sender and subject."""
    texts = [each for each in _texts(message) if each.strip()]
    return "\n\n".join([*(each.rstrip("\r\n") for each in texts[:-1]), *texts[-1:]])


def has_attachments(message: Message) -> bool:
    """Tell whether the mail contains files, mails or pictures."""
    return any(_is_attached(part) for part in message.walk() if part.get_content_maintype() != "multipart")


def decode(data: bytes, charset: str | None) -> str:
    """Decode bytes in a charset; its name may be wrong or unknown."""
    try:
        # non-ASCII bytes in ASCII are usually UTF-8
        decoded = data.decode("utf-8" if charset in (None, "", "ascii", "us-ascii") else charset, "replace")
    except (LookupError, ValueError):
        decoded = data.decode("utf-8", "replace")
    # some charsets can contain lone surrogates, which JSON clients reject
    return decoded.encode(errors="replace").decode()


def _texts(message: Message) -> Iterator[str]:
    for part in message.walk():
        if part.get_content_type() == "message/rfc822" and part.is_multipart():
            inner = part.get_payload(0)
            assert isinstance(inner, Message)
            yield f"From: {header(inner, 'from')}\nSubject: {header(inner, 'subject')}"
        elif part.get_content_type() == "text/plain" and not _is_attached(part):
            payload = part.get_payload(decode=True)
            yield decode(payload if isinstance(payload, bytes) else b"", part.get_content_charset())


def _is_attached(part: Message) -> bool:
    if part.get_filename() or part.get_content_disposition() == "attachment":
        return True
    # embedded pictures have a Content-ID; some programs also give one to texts
    is_text = part.get_content_maintype() == "text"
    return part.get_content_type() == "message/rfc822" or (part["Content-ID"] is not None and not is_text)


def _raw(message: Message, name: str) -> list[str]:
    return [_FOLD.sub("", str(value)).strip() for key, value in message.raw_items() if key.lower() == name]


def _decoded(raw: str) -> str:
    """Decode the encoded words in a header; drop only the space between two of them."""
    result, end = "", 0
    words: list[tuple[str, bytes]] = []
    for match in _WORD.finditer(raw):
        between = raw[end : match.start()]
        if between.strip() or not words:
            result += _joined(words) + _plain(between)
            words = []
        words.append((match[1].lower(), _bytes(match[2], match[3], match[0])))
        end = match.end()
    return result + _joined(words) + _plain(raw[end:])


def _joined(words: list[tuple[str, bytes]]) -> str:
    """Decode adjacent words; a character may begin in one and end in the next."""
    groups = groupby(words, key=lambda word: word[0])
    return "".join(decode(b"".join(data for _, data in group), charset) for charset, group in groups)


def _bytes(encoding: str, encoded: str, word: str) -> bytes:
    data = encoded.encode("ascii", "surrogateescape")
    if encoding in "qQ":
        return binascii.a2b_qp(data, header=True)
    try:
        return binascii.a2b_base64(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        return word.encode("ascii", "surrogateescape")


def _plain(raw: str) -> str:
    return decode(raw.encode("ascii", "surrogateescape"), None)


def _one_line(decoded: str) -> str:
    """Replace each whitespace character by a space, and drop control characters."""
    spaced = "".join(" " if letter.isspace() else letter for letter in decoded)
    return _CONTROL.sub("", spaced)
