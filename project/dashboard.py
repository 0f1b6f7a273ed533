"""Flower, with the checks that all services make: `celery --app project.dashboard flower`."""

import json
from typing import Any

import flower.command
from flower.app import Flower
from kombu import Connection
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from project.addresses import in_url
from project.brokers.rabbitmq import is_amqp
from project.consumer import app, settings
from project.request_guard import Refusal, check_request

__all__ = ["app"]


MANAGEMENT_PORT = 15672  # RabbitMQ's default


class GuardedFlower(Flower):
    """Flower that refuses requests for other hosts and from pages of other sites."""

    def __init__(self, options: Any = None, **kwargs: Any) -> None:
        if is_amqp(settings.broker) and not options.broker_api:
            options.broker_api = management_api(settings.broker)
        super().__init__(options=options, **kwargs)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Return what answers the request: Flower's own handler, or the refusal."""
        headers = request.headers
        origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
        refusal = check_request(request.method or "", headers.get("Host", ""), origin, site, settings.hosts)
        if refusal:
            return self.get_handler_delegate(request, RefusedHandler, {"refusal": refusal})
        return super().find_handler(request, **kwargs)


class RefusedHandler(RequestHandler):
    """Answers a refused request with a problem (RFC 9457)."""

    def initialize(self, refusal: Refusal) -> None:
        """Take the reason."""
        self._refusal = refusal

    def check_xsrf_cookie(self) -> None:
        """Check nothing more."""

    def prepare(self) -> None:
        """Answer, whatever the method."""
        status, detail = self._refusal
        self.set_status(status)
        self.set_header("Content-Type", "application/problem+json")
        self.finish(json.dumps({"type": "about:blank", "title": self._reason, "status": status, "detail": detail}))


def management_api(broker_url: str) -> str:
    """Return the URL of the management API of the RabbitMQ at *broker_url*.

    Without user and password, which Flower takes from the broker's URL then. It pastes them into the URL that it would
    derive itself, and its HTTP client would send them quoted.
    """
    return f"http://{in_url(Connection(broker_url).hostname)}:{MANAGEMENT_PORT}/api/"


# The command has no option for another class
flower.command.Flower = GuardedFlower
