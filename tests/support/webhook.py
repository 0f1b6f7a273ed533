"""A web server that keeps what is posted to it, and answers as a test wants."""

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class Webhook:
    """Answers posts with these status codes in turn, then always with the last one."""

    def __init__(self, codes: Sequence[int]) -> None:
        self.received: list[dict[str, Any]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                received.append({"path": self.path, "body": body, **{k.lower(): v for k, v in self.headers.items()}})
                self.answer(codes[min(len(received), len(codes)) - 1])

            def do_HEAD(self) -> None:
                self.answer(405)

            def answer(self, code: int) -> None:
                self.send_response(code)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
