"""An end to what a connection may take as a whole: the timeout of a socket begins anew with each byte."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

AGAIN = 1  # seconds


class Deadline:
    """The clients of smtplib and imaplib whose connections break when their time is over."""

    def __init__(self) -> None:
        self._clients: list[Any] = []
        self._done = threading.Event()
        self.passed = False

    def client(self, kind: type, *args: Any, **options: Any) -> Any:
        """Make a client, which connects while it is made: a server can be slow from its first byte on."""
        client: Any = object.__new__(kind)
        self._clients.append(client)
        client.__init__(*args, **options)
        return client

    def watch(self, seconds: float) -> None:
        """Break the connections after that time, unless `stop` was called before."""
        while not self._done.wait(seconds):
            self.passed, seconds = True, AGAIN  # again, as STARTTLS puts another socket into the place of the first
            for client in self._clients:
                if sock := getattr(client, "sock", None):
                    with suppress(OSError):
                        # not the method of TLS sockets: that one would let a write in this moment pass unencrypted
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def stop(self) -> None:
        """End the watch."""
        self._done.set()


@contextmanager
def deadline(seconds: float, whom: str) -> Iterator[Deadline]:
    """Break off what is done inside after that time; raise a TimeoutError that names whom it waited for."""
    limit = Deadline()
    threading.Thread(target=limit.watch, args=(seconds,), daemon=True).start()
    try:
        yield limit
    except Exception:
        if limit.passed:
            raise TimeoutError(f"{whom} was not done within {seconds:g} s") from None
        raise
    finally:
        limit.stop()
