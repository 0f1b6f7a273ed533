"""Count and time every request for Prometheus."""

import time

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = Histogram(
    "glassqueue_http_request_seconds", "Time to answer a request, by its route", ["method", "route", "status"]
)


class MetricsMiddleware:
    """Observe each HTTP request once its response starts."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and observe how long its first answer took."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun = time.perf_counter()

        async def observe(message: Message) -> None:
            if message["type"] == "http.response.start":
                # the pattern, not the path: a label per job id would never end
                route = getattr(scope.get("route"), "path", "unknown")
                labels = (scope["method"], route, str(message["status"]))
                REQUESTS.labels(*labels).observe(time.perf_counter() - begun)
            await send(message)

        return await self.app(scope, receive, observe)
