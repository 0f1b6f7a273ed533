"""Run Flower with the request guard and with our queues: `celery --app project.dashboard flower`."""

import asyncio
import json
from collections import Counter
from collections.abc import Collection
from typing import Any

import flower.command
import flower.utils.broker
from flower.app import Flower
from flower.utils.broker import RabbitMQ
from flower.views import BaseHandler
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform, RequestHandler

from project import logs
from project.api.request_guard import NO_FRAMES, Refusal, check_request
from project.consumer import app, settings
from project.jobs.service import Jobs

__all__ = ["app"]


class GuardedFlower(Flower):
    """Flower that refuses requests for other hosts and from pages of other sites."""

    def __init__(self, options: Any = None, **kwargs: Any) -> None:
        if app.broker.management_api and not options.broker_api:
            options.broker_api = app.broker.management_api
        super().__init__(options=options, **kwargs)
        self.add_transform(NoFrames)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Return Flower's own handler for the request, or a refusal."""
        headers = request.headers
        origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
        refusal = check_request(request.method or "", headers.get("Host", ""), origin, site, settings.hosts)
        if refusal:
            return self.get_handler_delegate(request, RefusedHandler, {"refusal": refusal})
        return super().find_handler(request, **kwargs)

    def get_handler_delegate(self, request: HTTPServerRequest, target_class: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the delegate of a handler; it answers HEAD like GET, and Tornado leaves out the body."""
        if request.method == "HEAD" and target_class.head is RequestHandler.head:
            target_class = type(target_class.__name__, (target_class,), {"head": target_class.get})
        return super().get_handler_delegate(request, target_class, *args, **kwargs)


class NoFrames(OutputTransform):
    """Forbid pages of other sites to show a response in a frame."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Add the header to a response."""
        headers["Content-Security-Policy"] = NO_FRAMES
        return super().transform_first_chunk(status_code, headers, chunk, finishing)


class RefusedHandler(RequestHandler):
    """Answer a refused request with a problem (RFC 9457)."""

    def initialize(self, refusal: Refusal) -> None:
        """Store the status and the reason."""
        self._refusal = refusal

    def check_xsrf_cookie(self) -> None:
        """Skip the check: the request is refused anyway."""

    def prepare(self) -> None:
        """Answer any method."""
        status, detail = self._refusal
        self.set_status(status)
        self.set_header("Content-Type", "application/problem+json")
        self.finish(json.dumps({"type": "about:blank", "title": self._reason, "status": status, "detail": detail}))


class RedisQueues:
    """The queues in Redis for Flower's broker page, which supports neither leases nor the names of our keys."""

    def __init__(self) -> None:
        self._jobs = Jobs(app, settings)

    async def queues(self, _: Collection[str]) -> list[dict[str, Any]]:
        """Return a row for each queue, even for queues without consumers."""
        return await asyncio.get_running_loop().run_in_executor(None, self._rows)

    def _rows(self) -> list[dict[str, Any]]:
        app.announced.refresh(app.broker.redis)  # adds the queues of announced tasks to the app's
        consumers = Counter(name for consumer in self._jobs.consumers() for name in consumer.queues)
        return [
            {
                "name": queue.queue,
                "messages": queue.waiting + queue.delayed + queue.running,
                "messages_ready": queue.waiting,
                "messages_unacknowledged": queue.running,
                "consumers": consumers[queue.queue],
            }
            for queue in self._jobs.queues()
        ]


class RabbitMQQueues(RabbitMQ):
    """The queues in RabbitMQ for Flower's broker page; Flower itself lists only those reported when it started."""

    async def queues(self, _: Collection[str]) -> list[dict[str, Any]]:
        """Return a row for each queue of the stack that the management API knows."""
        await asyncio.get_running_loop().run_in_executor(None, app.announced.refresh, app.broker.redis)
        return await super().queues(app.amqp.queues)


# Flower is started with --logging=none, so that Tornado does not set up its own log format
logs.to_stdout(settings.log_level)
# Flower's command has no option for another class or another kind of broker
flower.command.Flower = GuardedFlower
flower.utils.broker.RabbitMQ = RabbitMQQueues
if not app.broker.management_api:
    redis_queues = RedisQueues()
    BaseHandler.get_broker = lambda _: redis_queues
