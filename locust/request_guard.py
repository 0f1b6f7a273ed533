"""Protect the load test's pages: no requests from other sites, one target host, a limited number of users.

The rules for Host and Origin are those of project/api/request_guard.py. This folder is a client of the stack and
imports nothing of it.
"""

import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from flask import Request, Response, jsonify, request

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
OWN_SITES = {"", "same-origin", "none"}
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
NO_FRAMES = ("Content-Security-Policy", "frame-ancestors 'self'")
LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}


class RequestGuard:
    """WSGI middleware that refuses requests for other hosts and from pages of other sites."""

    def __init__(self, app: Callable[..., Iterable[bytes]], bound: str, hosts: str) -> None:
        self._app = app
        chosen = {name.strip().lower().removesuffix(".") for name in hosts.split(",")}
        self._hosts = (LOOPBACK | chosen | {f"[{bound}]" if ":" in bound else bound.lower()}) - {""}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer 421 or 403, or pass the request on; other sites can neither read nor frame the response."""
        if status := self._refusal(Request(environ)):
            return _problem(status)(environ, start_response)

        def start(line: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            kept = [(name, value) for name, value in headers if not name.lower().startswith("access-control-")]
            return start_response(line, [*kept, NO_FRAMES], *more)

        return self._app(environ, start)

    def _refusal(self, asked: Request) -> HTTPStatus | None:
        host = asked.headers.get("Host", "").lower()
        name, colon, port = host.rpartition(":")
        if (name if colon and port.isdecimal() else host).removesuffix(".") not in self._hosts:
            return HTTPStatus(421)
        own_site = asked.headers.get("Sec-Fetch-Site", "").lower() in OWN_SITES
        own = own_site and _is_own_origin(asked.headers.get("Origin"), host)
        return None if own or asked.method in SAFE_METHODS else HTTPStatus.FORBIDDEN


def _is_own_origin(origin: str | None, host: str) -> bool:
    if origin is None:
        return True
    scheme, _, authority = origin.lower().partition("://")
    port = DEFAULT_PORTS.get(scheme)
    return port is not None and authority.removesuffix(port) == host.removesuffix(port)


def check_form(own_host: str, most_users: int) -> Response | None:
    """Refuse another target host and too many users; a Flask before_request function.

    Locust's page shows the message of an answer with success=false.
    """
    if request.method in SAFE_METHODS:
        return None
    if request.path.endswith("/user"):  # this form can set any attribute of a user class, also its host
        return _refuse("User classes cannot be changed here; edit locust/locustfile.py.")
    if request.form.get("host", own_host).rstrip("/") != own_host.rstrip("/"):
        return _refuse(f"The load test is for {own_host} only.")
    if _number(request.form.get("user_count", "0")) > most_users:
        return _refuse(f"At most {most_users} users; set LOCUST_USERS to allow more.")
    return None


def _number(text: str) -> int:
    """Return the number as Locust parses it; invalid numbers become 0, and Locust refuses them."""
    try:
        return int(text)
    except ValueError:
        return 0


def _refuse(message: str) -> Response:
    return jsonify({"success": False, "message": message})


def _problem(status: HTTPStatus) -> Response:
    details = {403: "A page of another site may not send this request.",
               421: "This host name is not served here; add it to HTTP_HOSTS to serve it."}  # fmt: skip
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": details[status.value]}
    return Response(json.dumps(body), status.value, content_type="application/problem+json")
