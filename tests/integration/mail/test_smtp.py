"""Mail is handed to a real SMTP server, and its answers are understood."""

import smtplib
from collections.abc import Callable
from typing import Any

import pytest

from project.integrations.mail import sending
from project.integrations.mail.sending import MailRefused
from project.settings import Settings
from tests.support.mail import PASSWORD, USER, RawServer, SmtpServer
from tests.support.ports import free_port
from tests.support.stopwatch import takes_less_than

Start = Callable[..., tuple[SmtpServer, Settings]]
TO = ["bob@example.org", "eve@example.org"]


def send(settings: Settings, to: list[str] = TO, **other: Any) -> dict[str, str]:
    """Send a mail and return whom the server refused."""
    message = sending.compose(settings, "job.1", to, "Grüße", "Zoë\n", **other)
    with sending.connection(settings) as smtp:
        return sending.hand_over(smtp, message)


@pytest.mark.parametrize("login", [False, True])
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_mail_arrives_whichever_way_the_connection_is_secured(
    start: Start, trusted: None, security: str, login: bool
) -> None:
    """With and without login, to all recipients, with what makes it this job's."""
    server, settings = start(security, login)
    assert send(settings, html="<b>Zoë</b>") == {}
    [(recipients, message)] = server.mails
    assert recipients == TO
    assert (message["From"], message["To"]) == ("glassqueue@example.org", ", ".join(TO))
    assert (message["Subject"], message["Message-ID"]) == ("Grüße", "<job.1@example.org>")
    bodies = [message.get_body((kind,)) for kind in ("plain", "html")]
    assert [body and body.get_content().strip() for body in bodies] == ["Zoë", "<b>Zoë</b>"]


def test_some_recipients_can_be_refused(start: Start) -> None:
    """The others get the mail, and the result lists the refused ones."""
    server, settings = start()
    server.refused["eve@example.org"] = "550 5.1.1 no such user"
    assert send(settings) == {"eve@example.org": "550 5.1.1 no such user"}
    assert server.mails[0][0] == ["bob@example.org"]


@pytest.mark.parametrize(("answer", "error"), [("550 no such user", MailRefused), ("450 later", smtplib.SMTPException)])
def test_a_mail_that_no_recipient_may_receive_is_refused_unless_the_error_is_temporary(
    start: Start, answer: str, error: type[Exception]
) -> None:
    """One recipient for whom it may change is enough to try again."""
    server, settings = start()
    server.refused = {"bob@example.org": "550 no such user", "eve@example.org": answer}
    with pytest.raises(error):
        send(settings)
    assert not server.mails


@pytest.mark.parametrize(("answer", "error"), [("554 spam", MailRefused), ("451 greylisted", smtplib.SMTPDataError)])
def test_the_first_digit_of_an_answer_says_whether_to_try_again(
    start: Start, answer: str, error: type[Exception]
) -> None:
    """4xx is a temporary error, 5xx a permanent one."""
    server, settings = start()
    server.answers = [answer]
    with pytest.raises(error, match=answer.split()[1]):
        send(settings)


def test_a_wrong_password_is_refused_and_not_repeated(start: Start, trusted: None) -> None:
    """It would be wrong the next time too, and its error is shown to clients."""
    _, settings = start("starttls", login=True, smtp_password="not-hunter2")
    with pytest.raises(MailRefused, match="535 ") as refused:
        send(settings)
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_with_a_foreign_certificate_gets_no_mail(start: Start, security: str) -> None:
    """An attacker on the network could present any certificate."""
    server, settings = start(security, login=True)
    with pytest.raises(MailRefused, match="certificate is not trusted"):
        send(settings)
    assert not server.mails


def test_a_server_that_cannot_encrypt_gets_no_mail_when_it_should(start: Start) -> None:
    """An attacker on the network cannot suppress STARTTLS."""
    server, settings = start("none", smtp_security="starttls")
    with pytest.raises(MailRefused, match="STARTTLS"):
        send(settings)
    assert not server.mails


def test_an_address_beyond_ascii_works_with_servers_that_can(start: Start) -> None:
    """It takes an extension (SMTPUTF8)."""
    server, settings = start(beyond_ascii=True)
    assert send(settings, ["zoë@bücher.example"]) == {}
    assert server.mails[0][0] == ["zoë@bücher.example"]
    _, settings = start()
    with pytest.raises(MailRefused, match="SMTPUTF8"):
        send(settings, ["zoë@bücher.example"])


def test_a_server_that_is_away_may_come_back(start: Start) -> None:
    """So the job is tried again."""
    _, settings = start(smtp_port=free_port())
    with pytest.raises(ConnectionRefusedError):
        send(settings)


def test_the_check_says_what_is_wrong_and_not_the_password(start: Start, trusted: None) -> None:
    """One word for each state, and what to correct."""
    _, fine = start("starttls", login=True)
    _, wrong = start("starttls", login=True, smtp_password="not-hunter2")
    own = Settings(_env_file=None, smtp_port=free_port())
    checks = [sending.check(each) for each in (fine, wrong, own)]
    assert [check.state for check in checks] == ["ok", "failed", "failed"]
    assert "535" in checks[1].found
    assert checks[2].cure == "start the stack"
    assert "hunter" not in str(checks)


def test_a_server_without_a_supported_login_method_is_refused(raw: Callable[..., RawServer]) -> None:
    """A retry would find the same methods."""
    port = raw(b"220 hello\r\n", b"250-hello\r\n250 AUTH GSSAPI\r\n").port
    settings = Settings(_env_file=None, smtp_host="127.0.0.1", smtp_port=port, smtp_user=USER, smtp_password=PASSWORD)
    with pytest.raises(MailRefused, match="No suitable authentication method"):
        send(settings)


@pytest.mark.parametrize("said", [(b"220-slow",), (b"220 hello\r\n", b"250-slow")])
def test_a_server_that_never_finishes_its_answer_does_not_hold_a_job(
    raw: Callable[..., RawServer], said: tuple[bytes, ...]
) -> None:
    """Each byte arrives in time, but not the whole answer, whether to the greeting or later."""
    settings = Settings(_env_file=None, smtp_host="127.0.0.1", smtp_port=raw(*said, drip=b"-").port)
    with pytest.raises(TimeoutError, match=r"not done within 0.3 s"), sending.connection(settings, limit=0.3) as smtp:
        smtp.noop()


def test_the_check_does_not_wait_for_a_slow_server(
    raw: Callable[..., RawServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A health check must answer quickly."""
    monkeypatch.setattr(sending, "CHECK_TIMEOUT", 0.2)
    settings = Settings(_env_file=None, smtp_host="127.0.0.1", smtp_port=raw(b"220-slow", drip=b"-").port)
    with takes_less_than(2):
        assert sending.check(settings).state == "failed"
