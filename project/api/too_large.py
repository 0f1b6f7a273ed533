"""Answer a request with too large a body with a problem (RFC 9457), like all other errors.

If the Content-Length exceeds the limit, Starlette answers in plain text, and outside of all middleware of the app.
"""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from project.api.problems import TOO_LARGE, problem


class TooLargeMiddleware:
    """Replace a 413 in plain text by a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass all other responses on unchanged."""
        replaced = False

        async def send_problem(message: Message) -> None:
            """Send a problem in place of a plain 413."""
            nonlocal replaced
            if message["type"] == "http.response.start" and _is_plain_413(message):
                replaced = True
                await problem(413, TOO_LARGE)(scope, receive, send)
            elif not replaced:
                await send(message)

        await self.app(scope, receive, send_problem)


def _is_plain_413(message: Message) -> bool:
    return message["status"] == 413 and Headers(raw=message["headers"]).get("content-type", "").startswith("text/plain")
