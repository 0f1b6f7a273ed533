"""Count and time every request for Prometheus."""

import time
from http import HTTPMethod

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = Histogram(
    "glassqueue_http_request_seconds", "Time to answer a request, by its route", ["method", "route", "status"]
)
METHODS = frozenset(HTTPMethod)


class MetricsMiddleware:
    """Observe each HTTP request once its response starts."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and observe how long its first answer took."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun, answered = time.perf_counter(), False

        async def observe(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                _count(scope, message["status"], begun)
            await send(message)

        try:
            await self.app(scope, receive, observe)
        except Exception:
            if not answered:  # Starlette answers with 500, outside of all middleware
                _count(scope, 500, begun)
            raise


def _count(scope: Scope, status: int, begun: float) -> None:
    # the pattern, not the path, and no word that a client made up: a label for each would never end
    route = getattr(scope.get("route"), "path", "unknown")
    method = scope["method"] if scope["method"] in METHODS else "other"
    REQUESTS.labels(method, route, str(status)).observe(time.perf_counter() - begun)
