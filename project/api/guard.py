"""Reject requests for other hosts and from pages of other sites; keep answers out of foreign frames and of caches."""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from project.api.problems import problem
from project.api.request_guard import NO_FRAMES, Refusal, check_request


class GuardMiddleware:
    """Pass on only the requests that project/api/request_guard.py allows."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], private_prefix: str) -> None:
        self.app, self._hosts, self._private_prefix = app, frozenset(hosts), private_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reject a request or pass it on; responses below the private prefix get `Cache-Control: no-store`."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if refusal := self._check(scope):
            return await problem(refusal.status, refusal.detail)(scope, receive, send)
        await self.app(scope, receive, with_headers(send, scope["path"].startswith(self._private_prefix)))

    def _check(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        host, origin, site = (_joined(headers, name) for name in ("host", "origin", "sec-fetch-site"))
        return check_request(scope["method"], host or "", origin, site, self._hosts)


def _joined(headers: Headers, name: str) -> str | None:
    """Return the value of a header; join repeated headers (RFC 9110, section 5.3), as NGINX and Tornado do."""
    values = headers.getlist(name)
    return ", ".join(values) if values else None


def with_headers(send: Send, private: bool) -> Send:
    """Return a `send` that adds the guard's headers to a response; a private response must not be cached."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = NO_FRAMES
            if private:
                headers["Cache-Control"] = "no-store"  # FastAPI's streams say no-cache
        await send(message)

    return send_with_headers
