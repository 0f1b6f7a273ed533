"""Notifications are posted to a real web server; no error contains its address."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pydantic import ValidationError

from project.integrations import webhook
from project.integrations.webhook import NotifyFailed, NotifyRefused
from project.settings import Settings
from tests.support.mail import RawServer
from tests.support.ports import free_port
from tests.support.stopwatch import takes_less_than
from tests.support.webhook import Webhook

Answering = Callable[..., tuple[Webhook, Settings]]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Start a web server; return it with the settings that lead there."""
    running: list[Webhook] = []

    def start(*codes: int) -> tuple[Webhook, Settings]:
        running.append(Webhook(codes))
        return running[-1], at(running[-1].port)

    yield start
    for server in running:
        server.stop()


def at(port: int) -> Settings:
    """Return settings for a receiver at a port, with a secret in its path."""
    return Settings(_env_file=None, notify_url=f"http://127.0.0.1:{port}/canary")


def test_a_notification_arrives_as_it_is(answering: Answering) -> None:
    """With its headers."""
    server, settings = answering(204)
    webhook.post(settings, {"title": "Homework"}, {"Authorization": "Bearer x"})
    [got] = server.received
    assert (got["path"], got["body"], got["authorization"]) == ("/canary", {"title": "Homework"}, "Bearer x")


@pytest.mark.parametrize(
    ("code", "error"),
    [(400, NotifyRefused), (404, NotifyRefused)] + [(code, NotifyFailed) for code in (301, 408, 425, 429, 500, 503)],
)
def test_the_code_says_whether_to_try_again(answering: Answering, code: int, error: type[Exception]) -> None:
    """And the error says the code, but not the address."""
    _, settings = answering(code)
    with pytest.raises(error, match=f"^NOTIFY_URL answered {code}$"):
        webhook.post(settings, {}, {})


def test_a_receiver_that_is_away_may_come_back() -> None:
    """Its address stays secret."""
    with pytest.raises(NotifyFailed, match=r"ConnectError$"):
        webhook.post(at(free_port()), {}, {})


@contextmanager
def dripping(answer: bytes) -> Iterator[Settings]:
    """Settings for a receiver that sends an endless answer, one byte at a time."""
    server = RawServer(b"", answer, drip=b"x")
    try:
        yield at(server.port)
    finally:
        server.stop()


def test_an_answer_that_never_ends_counts_as_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte arrives in time, the whole answer does not; time limits do not work where notifications are sent."""
    monkeypatch.setattr(webhook, "TIMEOUT", 0.3)
    monkeypatch.setattr(webhook, "CHECK_TIMEOUT", 0.3)
    with takes_less_than(3), dripping(b"HTTP/1.1 204 No Content\r\nX-Slow: ") as settings:
        with pytest.raises(NotifyFailed, match="does not answer: TimeoutError"):
            webhook.post(settings, {}, {})
        assert webhook.check(settings).state == "failed"


def test_the_body_of_an_answer_is_not_read() -> None:
    """The code says all, and the body may have no end."""
    with takes_less_than(webhook.TIMEOUT / 2), dripping(b"HTTP/1.1 200 OK\r\n\r\n") as settings:
        webhook.post(settings, {}, {})


def test_the_check_posts_nothing_and_keeps_the_path_to_itself(answering: Answering) -> None:
    """One word for each state, and what to correct."""
    server, fine = answering(204)
    checks = [webhook.check(each) for each in (fine, at(free_port()), Settings(_env_file=None))]
    assert [check.state for check in checks] == ["ok", "failed", "off"]
    assert not server.received
    assert "canary" not in str(checks)


@pytest.mark.parametrize(
    "wrong",
    ["canary", "ftp://canary", "https:///canary", "http://host:canary/", "http://host/a canary", "http://[canary"],
)
def test_an_invalid_webhook_url_stops_the_start_and_is_not_shown(wrong: str) -> None:
    """It is a secret that was mistyped."""
    with pytest.raises(ValidationError, match="must be http") as refused:
        Settings(_env_file=None, notify_url=wrong)
    assert "canary" not in str(refused.value.errors(include_input=False))
