"""Hosts in settings: names, IPv4 and IPv6 addresses, and clear errors for anything else."""

from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import make_url

from project.addresses import is_here, is_loopback
from project.settings import Settings

HOSTS = ("http_bind", "redis_host", "smtp_host", "imap_host", "ftp_host")
LOGIN = {"imap_user": "me", "imap_password": "x"}


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize(
    "wrong",
    [
        "http://h",
        "h:80",
        "[::1]:80",
        "1::2::3",
        "a b",
        "h/",
        "me@h",
        "a;b",
        "$h",
        "::1%eth0",
        "[]",
        "a..b",
        ".h",
        "a" * 64,
        "*",
        "10.0.0.1,10.0.0.2",
    ],
)
def test_an_invalid_host_stops_the_start(name: str, wrong: str) -> None:
    """A host is only a name or an address: the scheme and the port have settings of their own."""
    with pytest.raises(ValidationError, match="must be a host name or an address"):
        Settings(_env_file=None, **LOGIN, **{name: wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("0:0:0:0:0:0:0:0", "::"),
        ("redis", "redis"),
        ("LocalHost", "localhost"),
        ("10.0.0.1", "10.0.0.1"),
        ("bücher.example", "bücher.example"),
    ],
)
def test_a_host_is_a_name_or_an_address(name: str, given: str, used: str) -> None:
    """An IPv6 address with or without the brackets that it has in URLs."""
    assert getattr(Settings(_env_file=None, **LOGIN, **{name: given}), name) == used  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bound", "url", "exempt"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080", "127.0.0.1"),
        ("0.0.0.0", "http://127.0.0.1:8080", "127.0.0.1"),
        ("::1", "http://[::1]:8080", "::1"),
        ("::", "http://[::1]:8080", "::1"),
        ("localhost", "http://localhost:8080", "127.0.0.1"),
        ("192.0.2.7", "http://192.0.2.7:8080", "192.0.2.7"),
    ],
)
def test_what_is_printed_can_be_opened(bound: str, url: str, exempt: str) -> None:
    """No client can connect to 0.0.0.0 or ::; and the load test, which comes from here, is not limited."""
    settings = Settings(_env_file=None, http_bind=bound)
    assert (settings.url, settings.exempt_from_limits) == (url, exempt)


def test_the_url_of_redis_has_brackets_for_ipv6() -> None:
    """And the requests for the stack may name such a host."""
    settings = Settings(_env_file=None, redis_host="::1", redis_port=1, http_bind="fd00::1")
    assert settings.redis == "redis://[::1]:1/0"
    assert "[fd00::1]" in settings.hosts


@pytest.mark.parametrize(
    ("bound", "loopback"),
    [("localhost", True), ("127.0.0.2", True), ("::1", True), ("::", False), ("192.0.2.7", False), ("jobs", False)],
)
def test_only_this_machine_reaches_a_loopback_address(bound: str, loopback: bool) -> None:
    """Only there does the page offer to break parts of the stack."""
    assert is_loopback(bound) == loopback


@pytest.mark.parametrize(
    ("host", "here"), [("::1", True), ("127.9.9.9", True), ("203.0.113.7", False), ("example.org", False)]
)
def test_addresses_of_this_machine_are_known(host: str, here: bool) -> None:
    """Without asking a name server."""
    assert is_here(host) == here


def test_a_folder_that_sqlite_cannot_name_stops_the_start(tmp_path: Path) -> None:
    """SQLAlchemy would take the rest of the path for options, and make a file elsewhere."""
    with pytest.raises(ValidationError, match=r"RUN_DIR: its path contains a \?"):
        Settings(_env_file=None, run_dir=tmp_path / "what?")
    odd = tmp_path / "100% #1 $x"
    assert make_url(Settings(_env_file=None, run_dir=odd).database).database == f"{odd}/records.db"
