"""A real FTP server (pyftpdlib) in a thread of its own, which can stall, drop connections and list odd names."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from project.settings import Settings
from tests.support.ports import free_port

USER, PASSWORD = "someone", "canary-of-ftp"
STALLS, DROPS = "stalls", "drops"  # in the middle of a file
BUSY, RESTARTS = "busy", "restarts"  # answers 450; sends from the first byte, whatever was asked
# closes the connection, never answers, answers 426 or ends, when this file is fetched or this folder is listed
CLOSES, HANGS, ABORTS, ENDS = "closes", "hangs", "aborts", "ends"
CUTS = "cuts"  # drops each time, and refuses to go on in the middle of any file


class FtpServer:
    """Serves *folder*; notes what is fetched, as (path, first byte), and does mischief where a test asks for it."""

    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        self.folder, self.port = folder, free_port()
        self.fetched: list[tuple[str, int]] = []
        self.mischief: dict[str, str] = {}  # by the name of a file
        self.lines: list[str] = []  # more lines in the listing of the first folder
        self.stalled = threading.Event()
        self._stopping = threading.Event()
        authorizer = DummyAuthorizer()
        authorizer.add_user(USER, PASSWORD, str(folder), perm="elr")
        handler = _handler(self, certificate)
        handler.authorizer = authorizer
        self._loop = IOLoop()
        self._server = FTPServer(("127.0.0.1", self.port), handler, ioloop=self._loop)
        self._thread = threading.Thread(target=self._serve)

    def settings(self, run_dir: Path, **more: Any) -> Settings:
        """Return all settings, of which some point there."""
        return Settings(_env_file=None, run_dir=run_dir, **self.options | more)

    def environment(self) -> dict[str, str]:
        """Return an environment that points there."""
        return os.environ | {name.upper(): str(value) for name, value in self.options.items()}

    @property
    def options(self) -> dict[str, Any]:
        """Return the settings that point there."""
        return {"ftp_host": "127.0.0.1", "ftp_port": self.port, "ftp_user": USER, "ftp_password": PASSWORD}

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def stop_soon(self) -> None:
        """Close all connections and end, without waiting for it."""
        self._stopping.set()

    def stop(self) -> None:
        """Close all connections and end."""
        self.stop_soon()
        self._thread.join(10)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._loop.loop(timeout=0.02, blocking=False)
        self._server.close_all()


def write_tree(folder: Path, tree: dict[str, bytes]) -> None:
    """Write files, given by path and content, with the folders that they need."""
    for name, content in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextmanager
def running_ftp(folder: Path, certificate: Path | None = None) -> Iterator[FtpServer]:
    """Serve a folder, with TLS if there is a certificate for it."""
    logging.getLogger("pyftpdlib").setLevel(logging.CRITICAL)
    server = FtpServer(folder, certificate)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _mischief(server: FtpServer) -> Any:
    class Mischief:
        """Sends a first piece, then stalls or drops both connections if a test asks for it."""

        def send(self: Any, data: bytes) -> int:
            name = Path(server.fetched[-1][0]).name if server.fetched and self.cmd_channel.fetching else ""
            options = server.mischief.get(name)
            if options in (STALLS, DROPS, CUTS) and self.tot_bytes_sent:
                server.stalled.set()
                if options == DROPS:
                    del server.mischief[name]
                if options != STALLS:
                    self.cmd_channel.close()
                return 0
            return int(super().send(data))  # type: ignore[misc]

    return Mischief


def _breaks(server: FtpServer, handler: Any, path: str) -> bool:
    options = server.mischief.get(Path(path).name)
    if options == CLOSES:
        handler.close()
    if options == ENDS:
        server.stop_soon()
    if options == ABORTS:
        handler.respond("426 aborted")
    return options in (CLOSES, HANGS, ABORTS, ENDS)


def _handler(server: FtpServer, certificate: Path | None) -> Any:
    class Notes:
        fetching = False

        def ftp_MLSD(self: Any, path: str) -> Any:  # noqa: N802
            self.fetching = False
            return _breaks(server, self, path) or super().ftp_MLSD(path)  # type: ignore[misc]

        def ftp_RETR(self: Any, file: str) -> Any:  # noqa: N802
            self.fetching = True
            server.fetched.append((str(Path(file).relative_to(server.folder)), self._restart_position))
            options = server.mischief.get(Path(file).name)
            if options == BUSY:
                return self.respond("450 busy")
            self._restart_position *= options != RESTARTS
            return _breaks(server, self, file) or super().ftp_RETR(file)  # type: ignore[misc]

        def ftp_REST(self: Any, line: str) -> Any:  # noqa: N802
            if CUTS in server.mischief.values():
                return self.respond("502 not implemented")
            return super().ftp_REST(line)  # type: ignore[misc]

    plain = {"abstracted_fs": _listing(server), "use_sendfile": False, "unicode_errors": "surrogateescape"}
    plain["auth_failed_timeout"] = 0
    if certificate is None:
        data = type("Data", (_mischief(server), DTPHandler), {"ac_out_buffer_size": 4096})
        return type("Handler", (Notes, FTPHandler), {**plain, "dtp_handler": data})
    data = type("Data", (_mischief(server), TLS_DTPHandler), {"ac_out_buffer_size": 4096})
    secure = {"certfile": str(certificate), "tls_control_required": True, "tls_data_required": True}
    return type("Handler", (Notes, TLS_FTPHandler), {**plain, **secure, "dtp_handler": data})


def _listing(server: FtpServer) -> Any:
    class Listing(AbstractedFS):
        def format_mlsx(self, basedir: str, *args: Any, **more: Any) -> Iterator[bytes]:
            yield from super().format_mlsx(basedir, *args, **more)
            if basedir == str(server.folder):
                yield from (f"{line}\r\n".encode() for line in server.lines)

    return Listing
