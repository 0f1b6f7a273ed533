"""Servers for mail: one of each kind for all tests of a module."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from project.settings import Settings
from tests.support import dovecot as dovecot_support
from tests.support.dovecot import Dovecot
from tests.support.mail import PASSWORD, USER, Authority, RawServer, SmtpServer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority for certificates."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust that authority, as an installation does."""
    monkeypatch.setenv("SSL_CERT_FILE", authority.file)


@pytest.fixture
def start(authority: Authority) -> Iterator[Callable[..., tuple[SmtpServer, Settings]]]:
    """Start a server; return it with the settings that fit it."""
    running = []

    def start(
        security: str = "none", login: bool = False, beyond_ascii: bool = False, **settings: Any
    ) -> tuple[SmtpServer, Settings]:
        server = SmtpServer(authority, security, login, beyond_ascii)
        running.append(server)
        given: dict[str, Any] = {"smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_security": security}
        given |= {"smtp_user": USER, "smtp_password": PASSWORD} if login else {}
        return server, Settings(_env_file=None, **{**given, **settings})

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def raw() -> Iterator[Callable[..., RawServer]]:
    """Start a server that says what the test wants."""
    running: list[RawServer] = []

    def start(*said: bytes, **options: bytes) -> RawServer:
        running.append(RawServer(*said, **options))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="module")
def dovecot(authority: Authority) -> Iterator[Dovecot]:
    """An IMAP server; without its package a laptop skips and CI fails."""
    if not dovecot_support.BINARY:
        pytest.fail(dovecot_support.MISSING) if os.environ.get("CI") else pytest.skip(dovecot_support.MISSING)
    server = Dovecot(authority)
    yield server
    server.stop()
