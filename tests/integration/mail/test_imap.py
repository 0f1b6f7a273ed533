"""Mail is read from a real IMAP server, and nothing there changes."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from project.integrations.mail import imap
from project.integrations.mail.sending import MailRefused
from project.settings import Settings
from tests.support.dovecot import Dovecot, FetchProxy
from tests.support.mail import PASSWORD, USER, RawServer
from tests.support.ports import free_port

PLAIN = b"From: Ann <ann@example.org>\r\nTo: bob@example.org, Eve <eve@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
PLAIN += b"Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n"
ATTACHED = b"Subject: file\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nsee file\r\n--x\r\n"
ATTACHED += b"Content-Disposition: attachment; filename=a.txt\r\n\r\nhi\r\n--x--\r\n"
DEFECTIVE = [
    b"\r\n",
    b"no header at all",
    b"Subject: =?utf-8?b?A?=\r\nFrom: =?x?q?=FF?= <<>>\r\nDate: never\r\n\r\n",
    b"Subject: \xff\xfe raw\r\nFrom: \x80@\x81\r\nContent-Type: text/plain; charset=no-such-charset\r\n\r\n\xff\xfe",
    b"Content-Type: text/plain; charset=punycode\r\n\r\n\xff-\xff",
    b"Content-Type: text/plain; charset=raw-unicode-escape\r\n\r\n\\ud800",
    b"Content-Type: text/plain; charset=\xff\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!",
    b"Content-Type: multipart/mixed; boundary=never\r\n\r\nnothing",
    b"Content-Type: multipart/mixed; boundary*=idna''abc\r\n\r\nx",
    b"Content-Type: multipart/mixed; boundary*=undefined''abc\r\n\r\nx",
    b"Content-Type: multipart/mixed; boundary*=punycode''a%ff\r\n\r\nx",
    b"Content-Type: multipart/mixed; boundary*0=a; boundary*" + 5000 * b"1" + b"=b\r\n\r\nx",
    b"Subject: =?a?q?" + 20_000 * b"=?a?q?x" + b"\r\nContent-Type: text/plain" + 100_000 * b";" + b"\r\n\r\nx",
]


@pytest.fixture
def mailbox(dovecot: Dovecot) -> Iterator[Any]:
    """An empty INBOX, and a client that can put mail into it."""
    client = dovecot.client()
    client.select()
    client.store("1:*", "+FLAGS", r"\Deleted") if client.search(None, "ALL")[1][0] else None
    client.expunge()
    yield client
    client.logout()


@pytest.fixture
def settings(dovecot: Dovecot, trusted: None) -> Settings:
    """The settings of an installation that reads this mailbox over TLS."""
    return make(dovecot)


@pytest.fixture
def proxy(dovecot: Dovecot) -> Iterator[FetchProxy]:
    """A proxy in front of the server."""
    proxy = FetchProxy(dovecot.ports["none"])
    yield proxy
    proxy.stop()


def make(dovecot: Dovecot, security: str = "tls", **other: Any) -> Settings:
    """Return settings for the server."""
    given: dict[str, Any] = {"imap_host": "127.0.0.1", "imap_port": dovecot.ports[security], "imap_security": security}
    return Settings(_env_file=None, **{**given, "imap_user": USER, "imap_password": PASSWORD, **other})


def put(client: Any, *mails: bytes, folder: str = "INBOX") -> None:
    """Put mails into a folder."""
    for mail in mails:
        client.append(folder, "", time.time(), mail)


def uids_of(client: Any) -> list[str]:
    """Return the UIDs of all mails, oldest first."""
    client.select()
    found: list[str] = client.uid("SEARCH", "ALL")[1][0].decode().split()
    return found


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_mail_is_read_whichever_way_the_connection_is_secured(
    dovecot: Dovecot, mailbox: Any, trusted: None, security: str
) -> None:
    """Each field in words, not as the headers encode them."""
    put(mailbox, PLAIN)
    [mail] = imap.receive(make(dovecot, security), "INBOX", True, 20)
    assert mail.pop("uid").isdigit()
    assert mail == {
        "from": "ann@example.org",
        "to": ["bob@example.org", "eve@example.org"],
        "subject": "Grüße",
        "date": "2026-11-21T10:00:00+01:00",
        "text": "Hello\r\n",
        "has_attachments": False,
    }


def test_the_newest_come_first_and_stay_unseen(mailbox: Any, settings: Settings) -> None:
    """So a job that runs twice returns the same."""
    put(mailbox, *(b"Subject: %d\r\n\r\n" % number for number in range(5)))
    twice = [[mail["subject"] for mail in imap.receive(settings, "INBOX", True, 3)] for _ in range(2)]
    assert twice == [["4", "3", "2"]] * 2
    mailbox.select()
    mailbox.store("5", "+FLAGS", r"\Seen")
    assert [mail["subject"] for mail in imap.receive(settings, "INBOX", True, 1)] == ["3"]
    assert [mail["subject"] for mail in imap.receive(settings, "INBOX", False, 1)] == ["4"]


def test_a_long_text_is_shortened_and_an_attachment_is_mentioned(mailbox: Any, settings: Settings) -> None:
    """Results live in Redis."""
    put(mailbox, ATTACHED, b"\r\n" + b"x" * 100_000)
    long, attached = imap.receive(settings, "INBOX", True, 20)
    assert (len(long["text"]), long["has_attachments"]) == (imap.TEXT_LIMIT, False)
    assert (attached["text"], attached["has_attachments"]) == ("see file", True)


def test_a_date_that_is_not_ascii_is_no_date(mailbox: Any, settings: Settings) -> None:
    """The rest of the mail is read."""
    put(mailbox, b"Date: Sa, 21 M\xe4rz 2026\r\n" + PLAIN.replace(b"Date:", b"X-Date:"))
    [mail] = imap.receive(settings, "INBOX", True, 20)
    assert (mail["subject"], mail["date"]) == ("Grüße", None)


def test_a_defective_mail_does_not_hide_the_others(mailbox: Any, settings: Settings) -> None:
    """Whatever is in it, it is listed, and the result is text that every client can read."""
    put(mailbox, *DEFECTIVE, PLAIN)
    mails = imap.receive(settings, "INBOX", True, 20)
    assert len(mails) == len(DEFECTIVE) + 1
    assert mails[0]["subject"] == "Grüße"
    assert all(mail["uid"] for mail in mails)
    assert str(mails).encode()  # no halves of characters


@pytest.mark.parametrize(
    "reply",
    [
        "{tag} NO [SERVERBUG] Internal error\r\n",
        "* 2 FETCH (UID 2 BODY[]<0> {{3}}\r\nabc)\r\n{tag} NO FETCH server error\r\n",
        "{tag} BAD Command Error. 11\r\n",
    ],
    ids=["an error of the server", "an error after a part", "a protocol error"],
)
def test_a_mail_that_the_server_refuses_to_send_does_not_hide_the_others(
    dovecot: Dovecot, mailbox: Any, proxy: FetchProxy, reply: str
) -> None:
    """It is listed with the reason; a mail that was deleted since the search is not listed."""
    put(mailbox, *(b"Subject: %d\r\n\r\n" % number for number in range(4)))
    uids = uids_of(mailbox)
    proxy.replies |= {uids[1]: reply, uids[2]: "{tag} OK nothing\r\n"}
    mails = imap.receive(make(dovecot, "none", imap_port=proxy.port), "INBOX", True, 20)
    assert [(mail["uid"], mail["subject"]) for mail in mails] == [(uids[3], "3"), (uids[1], ""), (uids[0], "0")]
    assert mails[1]["text"].startswith("the server does not send this mail: ")


def test_a_server_that_is_unavailable_in_between_is_asked_again_later(
    dovecot: Dovecot, mailbox: Any, proxy: FetchProxy
) -> None:
    """The job is retried, because the mail is fine."""
    put(mailbox, PLAIN)
    proxy.replies |= dict.fromkeys(uids_of(mailbox), "{tag} NO [UNAVAILABLE] later\r\n")
    with pytest.raises(imap.MailUnavailable, match="later"):
        imap.receive(make(dovecot, "none", imap_port=proxy.port), "INBOX", True, 20)


def test_the_newest_come_first_in_whatever_order_the_server_lists_them(
    dovecot: Dovecot, mailbox: Any, proxy: FetchProxy
) -> None:
    """RFC 3501, 7.2.5, promises no order; UIDs grow with each new mail."""
    put(mailbox, *(b"Subject: %d\r\n\r\n" % number for number in range(3)))
    proxy.replies["SEARCH"] = f"* SEARCH {' '.join(reversed(uids_of(mailbox)))}\r\n{{tag}} OK done\r\n"
    mails = imap.receive(make(dovecot, "none", imap_port=proxy.port), "INBOX", True, 2)
    assert [mail["subject"] for mail in mails] == ["2", "1"]


@pytest.mark.parametrize("reply", ["{tag} OK\r\n", "{tag} BAD not now\r\n"])
def test_mails_that_were_read_are_returned_however_the_server_ends(
    dovecot: Dovecot, mailbox: Any, proxy: FetchProxy, reply: str
) -> None:
    """Some servers answer LOGOUT without BYE, or not at all."""
    put(mailbox, PLAIN)
    proxy.replies["LOGOUT"] = reply
    mails = imap.receive(make(dovecot, "none", imap_port=proxy.port), "INBOX", True, 20)
    assert [mail["subject"] for mail in mails] == ["Grüße"]


def test_a_mail_that_breaks_the_connection_does_not_hide_the_others(
    dovecot: Dovecot, mailbox: Any, settings: Settings
) -> None:
    """Dovecot closes the connection for a mail that it cannot read; the others are read on a new connection."""
    put(mailbox, *(b"Subject: %d\r\n\r\n" % number for number in range(4)))
    mailbox.select()
    dovecot.spoil(b"Subject: 1", b"Subject: 2")
    mails = imap.receive(settings, "INBOX", True, 20)
    assert [mail["subject"] for mail in mails] == ["3", "", "", "0"]
    assert mails[1]["text"].startswith("the connection breaks whenever this mail is fetched: ")


def test_of_a_large_mail_only_the_beginning_is_read(
    mailbox: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So no mail fills the memory or uses up the time of the job."""
    monkeypatch.setattr(imap, "MOST_BYTES", 1000)
    put(mailbox, ATTACHED + b"x" * 10_000, b"\r\n" + b"x" * 10_000)
    long, attached = imap.receive(settings, "INBOX", True, 20)
    assert (len(long["text"]), attached["text"], attached["has_attachments"]) == (998, "see file", True)


@pytest.mark.parametrize("folder", ["Grüße & more", 'with "quotes" \\', "{3}"])
def test_a_folder_can_have_any_name(mailbox: Any, settings: Settings, folder: str) -> None:
    """Quoted and encoded as RFC 3501 has it."""
    with imap.connection(settings) as client:
        if not client.folder.exists(folder):
            client.folder.create(folder)
        client.append(b"Subject: there\r\n\r\n", folder)
    assert imap.receive(settings, folder, False, 1)[0]["subject"] == "there"


def test_a_folder_name_cannot_become_a_command(mailbox: Any, settings: Settings) -> None:
    """Not even when the job came without the checks of HTTP."""
    mailbox.create("Precious")
    with pytest.raises(MailRefused, match="a single line"):
        imap.receive(settings, 'INBOX"\r\nA1 DELETE "Precious', False, 1)
    assert mailbox.select("Precious")[0] == "OK"


def test_what_stays_wrong_is_refused(dovecot: Dovecot, settings: Settings) -> None:
    """A wrong password, a folder that is not there, and no server at all to ask."""
    with pytest.raises(MailRefused, match="Authentication failed"):
        imap.receive(make(dovecot, imap_password="wrong"), "INBOX", True, 1)
    with pytest.raises(MailRefused, match="doesn't exist"):
        imap.receive(settings, "Nowhere", True, 1)
    with pytest.raises(MailRefused, match="IMAP_HOST is empty"):
        imap.receive(Settings(_env_file=None), "INBOX", True, 1)


def test_a_server_with_a_foreign_certificate_is_not_sent_the_password(dovecot: Dovecot) -> None:
    """An attacker on the network could present any certificate."""
    with pytest.raises(MailRefused, match="certificate is not trusted"):
        imap.receive(make(dovecot), "INBOX", True, 1)


def test_a_server_that_is_away_may_come_back(dovecot: Dovecot) -> None:
    """So the job is tried again."""
    with pytest.raises(ConnectionRefusedError):
        imap.receive(make(dovecot, imap_port=free_port()), "INBOX", True, 1)


def test_the_check_says_what_is_wrong_and_not_the_password(dovecot: Dovecot, settings: Settings) -> None:
    """One word for each state, and what to correct."""
    wrong = make(dovecot, imap_password="not-hunter")
    away = make(dovecot, imap_port=free_port())
    checks = [imap.check(each) for each in (settings, wrong, away, Settings(_env_file=None))]
    assert [check.state for check in checks] == ["ok", "failed", "failed", "off"]
    assert "Authentication failed" in checks[1].found
    assert "IMAP_PORT" in checks[2].cure
    assert "hunter" not in str(checks)


@pytest.mark.parametrize("said", [(b"* OK slow",), (b"* OK hello\r\n", b"* CAPABILITY slow")])
def test_a_server_that_never_finishes_its_answer_does_not_hold_a_job(
    raw: Callable[..., RawServer], said: tuple[bytes, ...]
) -> None:
    """Neither while it greets nor later."""
    given: dict[str, Any] = {"imap_host": "127.0.0.1", "imap_port": raw(*said, drip=b"-").port, "imap_security": "none"}
    settings = Settings(_env_file=None, imap_user=USER, imap_password=PASSWORD, **given)
    with pytest.raises(TimeoutError, match=r"not done within 0.3 s"), imap.connection(settings, limit=0.3):
        pytest.fail("the login was accepted")
