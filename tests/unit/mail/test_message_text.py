"""Mails are read as real mail programs write them."""

import binascii
from collections.abc import Callable
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.integrations.mail import message_text, sending
from project.settings import Settings
from tests.support.stopwatch import takes_less_than

SUBJECTS = [
    (b"Hello\r\n =?utf-8?q?W=C3=B6rld?=", "Hello Wörld"),
    (b"Hello\r\n\tagain", "Hello again"),
    (b"=?utf-8?q?W=C3=B6rld?=\r\n hello", "Wörld hello"),
    (b"=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"),
    (b"=?utf-8?q?a?= =?iso-8859-1?q?_=FC?= plain", "a ü plain"),
    (b"=?utf-8?b?w7xi?==?utf-8?b?ZXI=?=", "über"),
    (b"=?utf-8?b?8J+Y?= =?utf-8?b?gA==?=", "\U0001f600"),  # one letter in two words
    (b"=?UTF-8?Q?Re: a b?=", "Re: a b"),
    (b"Re: =?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "Re: 日本"),
    (b"=?utf-8*en?q?tagged?=", "tagged"),
    (b"=?cp-850?q?Gr=81=E1e?=", "Gr\ufffd\ufffde"),
    (b"=?utf-8?b?dW5wYWRkZWQ?=", "unpadded"),
    (b"=?utf-8?b?A?=", "=?utf-8?b?A?="),
    ("raw Grüße".encode(), "raw Grüße"),
    ("raw Grüße".encode("latin-1"), "raw Gr\ufffd\ufffde"),
    ("10\u00a0Uhr\u200d".encode(), "10 Uhr\u200d"),
    (b"bell\x07 and \x1b[1mescape", "bell and [1mescape"),
    (b"=?utf-8?q?a=0D=0ABcc:_eve?=", "a  Bcc: eve"),
    (b"100 =? 5 ?= 7", "100 =? 5 ?= 7"),
    (b"", ""),
]
ADDRESSES = [
    (b"Ann <ann@example.org>, bob@example.org", ["ann@example.org", "bob@example.org"]),
    (b'"Doe, Ann (Dr.)" <ann@example.org>', ["ann@example.org"]),
    (b"=?utf-8?q?M=C3=BCller,_Ann?= <ann@example.org>", ["ann@example.org"]),
    (b"=?utf-8?q?ann@work_<a@b>?= <ann@example.org>", ["ann@example.org"]),
    (b"a@example.org,\r\n\tb@example.org,\r\n c@example.org", ["a@example.org", "b@example.org", "c@example.org"]),
    (b"undisclosed-recipients:;", []),
    (b"Team: ann@example.org, bob@example.org;", ["ann@example.org", "bob@example.org"]),
    ("Zoë <zoë@bücher.example>".encode(), ["zoë@bücher.example"]),
    (b"ann@xn--bcher-kva.example", ["ann@xn--bcher-kva.example"]),
    (b"ann", []),
]
FORWARDED = b"""Content-Type: multipart/mixed; boundary=x

--x

See below
--x
Content-Type: message/rfc822

From: Bob <bob@example.org>
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Content-Type: multipart/alternative; boundary=y

--y
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

inner =C3=BC
--y
Content-Type: text/html

<b>inner</b>
--y--
--x
Content-Type: text/plain; charset=us-ascii
Content-Disposition: inline

the list's footer
--x
Content-Type: text/plain
Content-Disposition: attachment

a file without a name
--x--
"""


@pytest.mark.parametrize(("raw", "subject"), SUBJECTS)
def test_a_subject_is_read_with_all_its_letters_and_spaces(raw: bytes, subject: str) -> None:
    """Folded, in several charsets, in raw bytes; an unknown letter is shown as such."""
    assert message_text.header(message_from_bytes(b"Subject: " + raw + b"\r\n\r\n"), "subject") == subject


@pytest.mark.parametrize(("raw", "addresses"), ADDRESSES)
def test_addresses_are_found_whatever_their_owners_are_called(raw: bytes, addresses: list[str]) -> None:
    """Also beside groups, comments and names that look like addresses."""
    assert message_text.addresses(message_from_bytes(b"To: " + raw + b"\r\n\r\n"), "to") == addresses


@pytest.mark.parametrize(
    ("charset", "encoded", "text"),
    [
        ("utf-8", "Grüße".encode(), "Grüße"),
        ("cp-850", "Grüße".encode("cp850"), "Gr\ufffd\ufffde"),
        ("no-such-charset", "Grüße".encode(), "Grüße"),
        ("us-ascii", "Grüße".encode(), "Grüße"),
        ("us-ascii", "Grüße".encode("latin-1"), "Gr\ufffd\ufffde"),
        ("utf-8", "Grüße".encode("latin-1"), "Gr\ufffd\ufffde"),
        ("windows-1252", "„Grüße“: 5 €".encode("cp1252"), "„Grüße“: 5 €"),
        ("hex", b"ff", "ff"),
        ("raw-unicode-escape", b"\\ud800", "?"),
    ],
)
@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_letters_of_unknown_charsets_are_shown_as_replaced(
    charset: str, encoded: bytes, text: str, encoding: str
) -> None:
    """They used to vanish."""
    encoders: dict[str, Callable[[bytes], bytes]] = {"base64": binascii.b2a_base64, "quoted-printable": binascii.b2a_qp}
    body = encoders.get(encoding, bytes)(encoded)
    head = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    assert message_text.text(message_from_bytes(head.encode() + body)) == text


def test_the_bodies_of_a_forwarded_mail_stand_apart() -> None:
    """Under its sender and subject; a file is an attachment, with or without a name."""
    message = message_from_bytes(FORWARDED)
    heading = "From: Bob <bob@example.org>\nSubject: Grüße"
    assert message_text.text(message) == f"See below\n\n{heading}\n\ninner ü\n\nthe list's footer"
    assert message_text.has_attachments(message)


@given(subject=st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=200))
def test_any_subject_is_read_as_it_was_written(subject: str) -> None:
    """By our reader, which shows all spaces alike, and by the standard library's."""
    sent = sending.compose(Settings(_env_file=None), "job", ["ann@example.org"], subject, "").as_bytes()
    assert message_text.header(message_from_bytes(sent), "subject") == "".join(
        " " if letter.isspace() else letter for letter in subject
    )
    assert message_from_bytes(sent, policy=policy.default)["Subject"] == subject


@pytest.mark.parametrize("text", [b"=?a?q?x", b"=?a?q?x=?=", b"=?a*b?q?=?q? "])
def test_a_long_header_takes_no_long_time(text: bytes) -> None:
    """The time is proportional to its length: nothing can interrupt a search by a regular expression."""
    message = message_from_bytes(b"Subject: " + 20_000 * text + b"\r\nTo: " + 20_000 * text + b"\r\n\r\n")
    with takes_less_than(5):  # usually 0.2 s
        message_text.header(message, "subject")
        message_text.addresses(message, "to")


def test_only_the_beginning_of_a_very_long_header_is_read() -> None:
    """The library's parser takes quadratic time for some headers."""
    longest = message_text.LONGEST_HEADER
    message = message_from_bytes(b"Subject: " + b"x" * longest + b"y\r\n\r\n", policy=message_text.SHORT_HEADERS)
    assert message_text.header(message, "subject") == "x" * longest
