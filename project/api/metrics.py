"""Count and time every request for Prometheus."""

import time
from functools import cache
from http import HTTPMethod
from typing import Any

from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUESTS = Histogram(
    "glassqueue_http_request_seconds", "Time to answer a request, by its route", ["method", "route", "status"]
)
METHODS = frozenset(HTTPMethod)


class MetricsMiddleware:
    """Record the duration of each HTTP request when its response starts."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and measure the time to the start of its response."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun, answered = time.perf_counter(), False

        async def observe(message: Message) -> None:
            """Count the request when its response starts."""
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                _count(scope, message["status"], begun)
            await send(message)

        try:
            await self.app(scope, receive, observe)
        except Exception:
            if not answered:  # Starlette sends the 500 outside of this middleware
                _count(scope, 500, begun)
            raise


def total() -> float:
    """Return how many requests were answered so far."""
    samples = (sample for metric in REQUESTS.collect() for sample in metric.samples)
    return sum(sample.value for sample in samples if sample.name.endswith("_count"))


def _count(scope: Scope, status: int, begun: float) -> None:
    # the route's pattern and known methods only: values chosen by clients would create an unlimited number of labels
    route = getattr(scope.get("route"), "path", "unknown")
    count(scope["method"] if scope["method"] in METHODS else "other", route, begun, status)


def count(method: str, route: str, begun: float, status: int) -> None:
    """Count a request to a route, given by the route's pattern, and the seconds since *begun*."""
    _labelled(method, route, status).observe(time.perf_counter() - begun)


@cache  # finding the child of a metric takes longer than counting
def _labelled(method: str, route: str, status: int) -> Any:
    return REQUESTS.labels(method, route, str(status))
