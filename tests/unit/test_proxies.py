"""Proxies of the environment: for what is elsewhere, never for this machine, whatever NO_PROXY has."""

import socket

import httpx
import pytest

from project.client import Client
from project.integrations import webhook
from project.proxies import proxy_for
from project.settings import Settings

PROXY = "http://proxy.example:3128"
ODD_ENTRIES = (
    "[::1], ::1,fd07::/64,[fd08::1]:443,,*.inner.example 10.0.0.0/8\tbare.example:8080,.dot.example,fe80::%eth0"
)


@pytest.fixture
def _proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, PROXY)
    monkeypatch.setenv("no_proxy", ODD_ENTRIES)


pytestmark = pytest.mark.usefixtures("_proxies")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.8.8",
        "localhost",
        "LOCALHOST.",
        "app.localhost",
        "[::1]",
        "0.0.0.0",
        "[::]",
        socket.gethostname(),
    ],
)
def test_this_machine_is_asked_directly(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """A proxy could not reach it."""
    monkeypatch.delenv("no_proxy")
    assert proxy_for(f"http://{host}:8080") is None


@pytest.mark.parametrize(
    "host",
    [
        "[fd07::1]",
        "[fd08::1]",
        "a.inner.example",
        "inner.example",
        "10.9.8.7",
        "BARE.example",
        "dot.example",
        "a.dot.example",
    ],
)
def test_what_no_proxy_names_is_asked_directly(host: str) -> None:
    """Names with their subdomains, addresses and networks, with and without brackets and ports."""
    assert proxy_for(f"https://{host}/hook") is None


@pytest.mark.parametrize("host", ["example.org", "notinner.example", "11.0.0.1", "[fd09::1]", "203.0.113.7"])
def test_everything_else_is_asked_through_the_proxy(host: str) -> None:
    """Also beside entries that httpx cannot read."""
    assert proxy_for(f"http://{host}:8080") == PROXY


def test_a_star_turns_proxies_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can stand among others."""
    monkeypatch.setenv("no_proxy", "example.com, *")
    assert proxy_for("http://example.org") is None


@pytest.mark.parametrize(("named", "used"), [("proxy:3128", "http://proxy:3128"), ("", None)])
def test_a_proxy_may_come_without_its_scheme(monkeypatch: pytest.MonkeyPatch, named: str, used: str | None) -> None:
    """Other programs understand that too."""
    monkeypatch.setenv("http_proxy", named)
    assert proxy_for("http://example.org") == used


@pytest.mark.parametrize("named", ["socks5://me:secret@proxy:1", "http://me:secret@proxy:x", "http://"])
def test_a_proxy_that_cannot_be_used_is_an_error_without_its_password(
    monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """The client and the webhook report it as an address that does not answer."""
    monkeypatch.setenv("http_proxy", named)
    with pytest.raises(httpx.ProxyError, match="HTTP_PROXY, HTTPS_PROXY or ALL_PROXY") as error:
        proxy_for("http://example.org")
    assert "secret" not in str(error.value)


def test_client_and_webhook_start_whatever_no_proxy_has() -> None:
    """Httpx alone raises InvalidURL; the errors here come from the connection."""
    with Client("http://127.0.0.1:1") as client, pytest.raises(httpx.ConnectError):
        client.tasks()
    with pytest.raises(webhook.NotifyFailed, match=r"ConnectError$"):
        webhook.post(Settings(_env_file=None, notify_url="http://[::1]:1/hook"), {}, {})
