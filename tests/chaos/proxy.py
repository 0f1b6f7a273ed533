"""A TCP proxy that cuts connections at chosen commands: before Redis sees one, or before its answer comes back."""

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable

#: Decides what happens to command number n: pass (None), or cut "before" or "after" Redis runs it.
Plan = Callable[[int, bytes], str | None]


class CuttingProxy:
    """Listens on a port of its own and forwards to a Redis server."""

    def __init__(self, target_port: int, plan: Plan) -> None:
        self.target_port, self.plan = target_port, plan
        self.count = itertools.count(1)
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "CuttingProxy":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target_port))
                answers = threading.Event()
                answers.set()
                threading.Thread(target=self._requests, args=(client, server, answers), daemon=True).start()
                threading.Thread(target=self._answers, args=(client, server, answers), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, answers: threading.Event) -> None:
        with contextlib.suppress(OSError), client, server:
            while data := client.recv(1 << 20):
                cut = self.plan(next(self.count), data) if data.startswith(b"*") else None
                if cut:
                    self.cuts += 1
                    answers.clear()
                if cut == "before":
                    return self._close(client, server)
                server.sendall(data)
                if cut == "after":  # Redis has run the command, and its reply is lost
                    server.settimeout(5)
                    server.recv(1)
                    return self._close(client, server)

    def _answers(self, client: socket.socket, server: socket.socket, answers: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 20):
                if not answers.is_set():
                    return self._close(client, server)
                client.sendall(data)
        self._close(client, server)

    def _close(self, *sockets: socket.socket) -> None:
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
