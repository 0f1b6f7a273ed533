"""Mails as people write them: what is read is what was sent, over the wire and back."""

from collections.abc import Callable
from email import message_from_bytes

import pytest

from project.integrations.mail import message_text, sending
from project.integrations.mail.sending import MailRefused
from project.settings import Settings
from tests.support.mail import SmtpServer

Start = Callable[..., tuple[SmtpServer, Settings]]
SUBJECTS = [
    "Homework",
    "Re: [seminar] Fwd: AW: Übung 3: Abgabe bis Freitag, 27. November 2026, 23:59 Uhr im Hörsaal (nicht im Büro!)",
    "Grüße " * 30 + "Ende",
    "a " * 95 + "ü",
    "ü" * 200,
    "日本語の件名はとても長いので何度も折り返されますがスペースはありません" * 5,
    "👨‍👩‍👧 family, one sign of five letters " * 4,
    "Приглашение на конференцию по распределённым системам и очередям сообщений, осень 2026 года",
    "שלום לכולם, השיעור הראשון על תורים והודעות במערכות מבוזרות ומסונכרנות יתקיים ביום ראשון",
    "word" * 50,
    "two  spaces,   three,    and at the end ",
    " begins with a space",
    "looks encoded: =?utf-8?q?no?= but is not",
    "ends with a backslash \\",
    'quotes "and" (comments) <and> @ signs; commas, all of it',
    "From Monday on",
    ".",
    "x" * 70 + " " + "é" * 10 + " " + "y" * 60,
]
TEXTS = [
    "From Monday on, the lab is open.\n>From here it was so already.\n\nFrom\n",
    ".\n..\n.hidden\n",
    "ü" * 3000 + "\n",
    "x" * 3000 + "\n",
    "trailing spaces   \nand a tab\t\n\n\n",
    "=3D looks quoted =\n-- \nAnn\n",
    "日本語\nשלום\n👩‍🔬\n",  # noqa: RUF001
    "--===============1234==\nContent-Type: text/plain\n",
]


def _send(settings: Settings, to: list[str], subject: str = "s", text: str = "t", **other: str) -> dict[str, str]:
    message = sending.compose(settings, "job", to, subject, text, **other)
    with sending.connection(settings) as smtp:
        return sending.hand_over(smtp, message)


@pytest.mark.parametrize("beyond_ascii", [False, True])
def test_subjects_arrive_as_they_were_written(start: Start, beyond_ascii: bool) -> None:
    """With all their spaces, in lines that every server passes on, for our reader and the standard library's."""
    server, settings = start(beyond_ascii=beyond_ascii)
    for subject in SUBJECTS:
        _send(settings, ["ann@example.org"], subject)
        received, raw = server.mails[-1][1], server.raw[-1]
        assert message_text.header(message_from_bytes(raw), "subject") == subject
        assert received["Subject"] == subject
        assert raw.isascii() and max(map(len, raw.split(b"\r\n"))) < 998


def test_texts_arrive_as_they_were_written(start: Start) -> None:
    """Lines that begin with `From `, single dots, and long ones; in plain text and in HTML."""
    server, settings = start()
    for text in TEXTS:
        _send(settings, ["ann@example.org"], text=text, html=f"<pre>{text}</pre>\n")
        received, raw = server.mails[-1][1], server.raw[-1]
        plain, html = (received.get_body((kind,)) for kind in ("plain", "html"))
        assert plain is not None and html is not None
        received_texts = [body.get_content().replace("\r\n", "\n") for body in (plain, html)]
        assert received_texts == [text, f"<pre>{text}</pre>\n"]
        assert message_text.text(message_from_bytes(raw)).replace("\r\n", "\n") == text
        assert raw.isascii() and max(map(len, raw.split(b"\r\n"))) < 998


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@straße.example", "ann@xn--strae-oqa.example"),
        ("ann+tag=1@sub.日本語.example", "ann+tag=1@sub.xn--wgv71a119e.example"),
        ("o'neill!#$%&*+/=?^_`{|}~-@example.org", "o'neill!#$%&*+/=?^_`{|}~-@example.org"),
        ("Ann.MÜLLER@example.org".replace("MÜLLER", "MULLER"), "Ann.MULLER@example.org"),
    ],
)
def test_a_non_ascii_domain_is_sent_in_punycode_to_servers_that_need_it(
    start: Start, given: str, expected: str
) -> None:
    """In the envelope and in the header; a refusal names the address as it was given."""
    server, settings = start()
    server.refused["eve@xn--bcher-kva.example"] = "550 no such user"
    assert _send(settings, [given, "eve@bücher.example"]) == {"eve@bücher.example": "550 no such user"}
    recipients, message = server.mails[0]
    assert recipients == [expected]
    assert message_text.addresses(message_from_bytes(server.raw[0]), "to") == [expected, "eve@xn--bcher-kva.example"]
    assert [address.addr_spec for address in message["To"].addresses] == [expected, "eve@xn--bcher-kva.example"]


def test_a_recipient_that_the_server_cannot_take_does_not_affect_the_others(start: Start) -> None:
    """A non-ASCII name needs an extension: the result lists it, and the mail is refused only without other recipients."""
    server, settings = start()
    refused = _send(settings, ["zoë@example.org", "bob@example.org", "ann@bücher.example"])
    assert list(refused) == ["zoë@example.org"] and "SMTPUTF8" in refused["zoë@example.org"]
    assert server.mails[0][0] == ["bob@example.org", "ann@xn--bcher-kva.example"]
    assert b"zo" not in server.raw[0].partition(b"To:")[2].partition(b"Subject:")[0]
    with pytest.raises(MailRefused, match=r"zoë@example.org: .*SMTPUTF8"):
        _send(settings, ["zoë@example.org"])
    able, settings = start(beyond_ascii=True)
    assert _send(settings, ["zoë@bücher.example", "bob@example.org"]) == {}
    assert able.mails[0][0] == ["zoë@bücher.example", "bob@example.org"]


def test_fifty_long_addresses_arrive_unharmed(start: Start) -> None:
    """Their header is folded."""
    server, settings = start()
    to = [f"{'n' * 50}.{number}@{'d' * 60}.{'e' * 60}.example.org" for number in range(50)]
    assert _send(settings, to) == {}
    assert server.mails[0][0] == to
    assert message_text.addresses(message_from_bytes(server.raw[0]), "to") == to


def test_a_non_ascii_sender_is_sent_in_punycode_or_refused(start: Start) -> None:
    """The sender comes from MAIL_FROM, not from the job's arguments."""
    server, settings = start(mail_from="glassqueue@bücher.example")
    assert _send(settings, ["ann@example.org"]) == {}
    assert (server.mails[0][1]["From"], server.mails[0][1]["Message-ID"]) == (
        "glassqueue@xn--bcher-kva.example",
        "<job@xn--bcher-kva.example>",
    )
    _, settings = start(mail_from="zoë@example.org")
    with pytest.raises(MailRefused, match=r"MAIL_FROM: .*SMTPUTF8"):
        _send(settings, ["ann@example.org"])
