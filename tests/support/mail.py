"""A real SMTP server that keeps the mails it receives, and rejects them when a test asks for it."""

import asyncio
import socketserver
import ssl
import threading
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from tests.support.ports import free_port

USER, PASSWORD = "ann", "hunter2"


class Authority:
    """A certificate authority that is not trusted by default, and its certificate for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self._certificate = authority.issue_cert("127.0.0.1")
        self.file, self.key, self.chain = (str(folder / name) for name in ("ca.pem", "key.pem", "chain.pem"))
        authority.cert_pem.write_to_path(self.file)
        self._certificate.private_key_pem.write_to_path(self.key)
        for part in self._certificate.cert_chain_pems:
            part.write_to_path(self.chain, append=True)

    def server(self) -> ssl.SSLContext:
        """Return what a server with the certificate needs."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._certificate.configure_cert(context)
        return context


class SmtpServer:
    """A server of its own; *answers* are given to the next mails in place of 250, *refused* to recipients."""

    def __init__(
        self, authority: Authority, security: str = "none", login: bool = False, beyond_ascii: bool = False
    ) -> None:
        self.port = free_port()
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.raw: list[bytes] = []  # the same mails as they came
        self.answers: list[str] = []
        self.refused: dict[str, str] = {}
        # open gates let pass; a test closes one to have a client wait there
        self.gates = {"DATA": threading.Event(), "QUIT": threading.Event()}
        self.came = {name: threading.Event() for name in self.gates}
        self.open()
        context = authority.server()
        options: dict[str, Any] = {"tls_context": context, "require_starttls": True} if security == "starttls" else {}
        options |= {"authenticator": _authenticate, "auth_require_tls": False} if login else {}
        in_tls = context if security == "tls" else None
        self._controller = Controller(
            self, "127.0.0.1", self.port, ssl_context=in_tls, enable_SMTPUTF8=beyond_ascii, **options
        )
        self._controller.start()

    def open(self) -> None:
        """Open the gate for all waiting clients."""
        for gate in self.gates.values():
            gate.set()

    def close(self, gate: str) -> None:
        """Hold the next client at a gate: at DATA, after the mail is stored but before the reply; at QUIT, before its reply."""
        self.came[gate].clear()
        self.gates[gate].clear()

    def stop(self) -> None:
        """Stop listening."""
        self.open()
        self._controller.stop(no_assert=True)

    async def handle_RCPT(  # noqa: N802, D102
        self, server: Any, session: Any, envelope: Envelope, address: str, options: Any
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802, D102
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
            assert isinstance(message, EmailMessage)
            self.raw.append(envelope.original_content or b"")
            self.mails.append((envelope.rcpt_tos, message))
        await self._pass("DATA")
        return answer

    async def handle_QUIT(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802, D102
        await self._pass("QUIT")
        return "221 Bye"

    async def _pass(self, gate: str) -> None:
        self.came[gate].set()
        await asyncio.to_thread(self.gates[gate].wait, 20)


def _authenticate(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
    right = LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=given == right, handled=False)


class RawServer:
    """A server that sends one prepared answer per received line, then *drip*, one byte at a time, forever."""

    def __init__(self, greeting: bytes, *answers: bytes, drip: bytes = b"") -> None:
        said = [greeting, *answers]

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    for line in said:
                        self.wfile.write(line)
                        if line is not said[-1] or not drip:
                            self.rfile.readline()
                    while drip and not stopped.wait(0.05):
                        self.wfile.write(drip)

        stopped = self._stopped = threading.Event()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening and dripping."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
