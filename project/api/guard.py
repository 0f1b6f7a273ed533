"""Refuse requests for other hosts and from pages of other sites, and keep answers about jobs out of caches."""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from project.api.problems import problem
from project.api.request_guard import Refusal, check_request


class GuardMiddleware:
    """Let only requests through that project/api/request_guard.py allows."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], private_prefix: str) -> None:
        self.app, self._hosts, self._private_prefix = app, frozenset(hosts), private_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request or pass it on; answers below the private prefix are not to be stored."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if refusal := self._check(scope):
            return await problem(refusal.status, refusal.detail)(scope, receive, send)
        await self.app(scope, receive, _no_store(send) if scope["path"].startswith(self._private_prefix) else send)

    def _check(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        host, origin, site = headers.get("host", ""), headers.get("origin"), headers.get("sec-fetch-site")
        return check_request(scope["method"], host, origin, site, self._hosts)


def _no_store(send: Send) -> Send:
    async def send_unstored(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Cache-Control"] = "no-store"  # FastAPI's streams say no-cache
        await send(message)

    return send_unstored
