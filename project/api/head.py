"""Answer HEAD wherever GET is allowed, with the same headers and no body (RFC 9110, section 9.3.2)."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadMiddleware:
    """Run a HEAD request as GET and leave out the body; a stream ends before its first event."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass other requests on as they are."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            return await self.app(scope, receive, send)
        as_get = {**scope, "method": "GET"}

        async def send_head(message: Message) -> None:
            """Send the headers, then end the response."""
            if message["type"] == "http.response.start":
                scope["route"] = as_get.get("route")  # the metrics count by route
                await send(message)
                # the response is complete: a stream now gets http.disconnect from the server, and ends
                await send({"type": "http.response.body"})

        await self.app(as_get, receive, send_head)
