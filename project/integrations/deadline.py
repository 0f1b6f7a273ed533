"""Limit the total time of a connection: the timeout of a socket starts again with each byte."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

REPEAT = 1  # seconds


class Deadline:
    """Break the connections of smtplib, imaplib and ftplib clients when their time is over."""

    def __init__(self) -> None:
        self._clients: list[Any] = []
        self._done = threading.Event()
        self.passed = False

    def client(self, kind: type, *args: Any, **options: Any) -> Any:
        """Create and register a client; register it first, because its constructor connects and may already be slow."""
        if self.passed:
            raise TimeoutError
        client: Any = object.__new__(kind)
        self._clients.append(client)
        client.__init__(*args, **options)
        return client

    def watch(self, seconds: float | None) -> None:
        """Break the connections after *seconds* (None: never), unless stop() is called before."""
        while not self._done.wait(seconds):
            self.passed, seconds = True, REPEAT  # repeat, because STARTTLS replaces the socket
            for client in self._clients:
                if sock := getattr(client, "sock", None):
                    with suppress(OSError):
                        # not the method of TLS sockets: a concurrent write could then pass unencrypted
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def stop(self) -> None:
        """Stop watching."""
        self._done.set()


@contextmanager
def deadline(seconds: float | None, server: str) -> Iterator[Deadline]:
    """Break the connections of the block after *seconds* (None: never); raise a TimeoutError that names the server."""
    limit = Deadline()
    threading.Thread(target=limit.watch, args=(seconds,), daemon=True).start()
    try:
        yield limit
    except Exception:
        if limit.passed:
            raise TimeoutError(f"{server} was not done within {seconds:g} s") from None
        raise
    finally:
        limit.stop()
