"""Connect to an FTP server (RFC 959) with MLSD and REST (RFC 3659), and TLS (RFC 4217) if FTP_SECURITY is tls."""

import ftplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from project.check import CHECK_TIMEOUT, Check
from project.integrations.backups.archives import BackupError
from project.integrations.backups.ftp_listing import ENCODING
from project.integrations.deadline import Deadline, deadline
from project.settings import Settings

TIMEOUT = 30  # seconds without a byte


class LoginRefused(BackupError):
    """The server refuses this user or password."""


class _TlsClient(ftplib.FTP_TLS):
    """Python's client, but data connections resume the TLS session of the control connection.

    Servers such as vsftpd require it, because it proves that both connections are from the same client.
    """

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[Any, int | None]:
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        session = getattr(self.sock, "session", None)
        return self.context.wrap_socket(connection, server_hostname=self.host, session=session), size


@contextmanager
def connected(settings: Settings, timeout: float = TIMEOUT, limit: float | None = None) -> Iterator[ftplib.FTP]:
    """Yield a client that is logged in and in FTP_FOLDER; raise BackupError if the settings are wrong.

    limit: seconds for everything together; a backup may take hours.
    """
    with deadline(limit, "the FTP server") as end:
        client = _client(end, settings.ftp_security, timeout)
        try:
            connect(client, settings)
            yield client
        finally:
            client.close()


def connect(client: ftplib.FTP, settings: Settings) -> None:
    """Connect, or reconnect, a client and log in."""
    client.close()
    client.connect(settings.ftp_host, settings.ftp_port)
    if isinstance(client, ftplib.FTP_TLS):
        _encrypt(client, settings)
    _log_in(client, settings)
    if isinstance(client, ftplib.FTP_TLS):
        client.prot_p()


def check(settings: Settings) -> Check:
    """Check that the server accepts the login."""
    where = f"{settings.ftp_host}:{settings.ftp_port}"
    if not settings.ftp_host:
        return Check("FTP", "off", "FTP_HOST is empty")
    try:
        with connected(settings, CHECK_TIMEOUT, limit=2 * CHECK_TIMEOUT):
            return Check("FTP", "ok", f"{where} accepts {settings.ftp_user or 'anonymous'}")
    except ssl.SSLCertVerificationError as error:
        cure = "for your own certificate authority, set SSL_CERT_FILE"
        return Check("FTP", "failed", f"{where}: {error.verify_message}", cure)
    except BackupError as error:
        return Check("FTP", "failed", str(error), "correct FTP_USER, FTP_PASSWORD, FTP_FOLDER or FTP_SECURITY")
    except (ftplib.Error, OSError, EOFError, UnicodeError) as error:
        return Check("FTP", "failed", f"{where}: {error}", "correct FTP_HOST, FTP_PORT or FTP_SECURITY")


def _client(end: Deadline, security: str, timeout: float) -> ftplib.FTP:
    tls = security == "tls"
    kind, options = (_TlsClient, {"context": ssl.create_default_context()}) if tls else (ftplib.FTP, {})
    client: ftplib.FTP = end.client(kind, timeout=timeout, encoding=ENCODING, **options)
    return client


def _encrypt(client: ftplib.FTP_TLS, settings: Settings) -> None:
    try:
        client.auth()
    except ftplib.error_perm as error:
        text = f"{settings.ftp_host} does not offer TLS: {error}; set FTP_SECURITY=none to connect without TLS"
        raise BackupError(text) from None


def _log_in(client: ftplib.FTP, settings: Settings) -> None:
    try:
        client.login(_wire(settings.ftp_user), _wire(settings.ftp_password.get_secret_value()))
    except ftplib.error_perm as error:
        # only the code: a server may repeat the password in its reply
        raise LoginRefused(f"{settings.ftp_host} refuses the login of {settings.ftp_user}: {error!s:.3}") from None
    if settings.ftp_folder:
        try:
            client.cwd(_wire(settings.ftp_folder))
        except ftplib.error_perm as error:
            raise BackupError(f"FTP_FOLDER: {error}") from None


def _wire(text: str) -> str:
    return text.encode().decode(ENCODING)
