"""Serve the tasks that consumers have announced, as if their code were here, without a restart."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from redis.exceptions import RedisError
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from project import redis_clients
from project.api.paths import API
from project.api.task_routes import task_router
from project.celery_config.announced import AnnouncedTask, AnnouncedTasks
from project.settings import Settings

PAUSE = 0.5  # seconds between two looks at the cards in Redis

log = logging.getLogger(__name__)


@asynccontextmanager
async def following(announced: AnnouncedTasks, settings: Settings) -> AsyncIterator[None]:
    """Keep the announced tasks up to date while the app runs; an outage of Redis does not remove them."""
    client = redis_clients.client(settings)
    thread = CapacityLimiter(1)  # a thread of its own: requests that wait for Redis may hold all shared threads

    async def refresh() -> None:
        """Read the cards; keep the known ones while Redis is away."""
        try:
            await run_sync(announced.refresh, client, limiter=thread)
        except RedisError as error:
            log.debug("cannot read the announced tasks: %r", error)
        except Exception:  # if this ended, no task would be noticed any more
            log.exception("cannot read the announced tasks")

    async def follow() -> None:
        while True:
            await asyncio.sleep(PAUSE)
            await refresh()

    await refresh()
    follower = asyncio.create_task(follow())
    try:
        yield
    finally:
        follower.cancel()
        with suppress(asyncio.CancelledError):
            await follower
        client.close()


class AnnouncedRoutes(BaseRoute):
    """The endpoints of all announced tasks; the first part of a path selects the task."""

    def __init__(self, announced: AnnouncedTasks, body_limit: int) -> None:
        self._announced, self._body_limit = announced, body_limit
        announced.prepare = self._prepare

    def _prepare(self, task: AnnouncedTask) -> None:
        task.body_limit = self._body_limit
        task.endpoints = task_router(task)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return the endpoint for a path and method, or for the path alone."""
        best: tuple[Match, Scope] = Match.NONE, {}
        for route in self._routes_of(scope["path"]) if scope["type"] == "http" else ():
            match, found = route.matches(scope)
            if match == Match.FULL:
                return match, {**found, "announced": route}
            if match == Match.PARTIAL and best[0] == Match.NONE:
                best = match, {**found, "announced": route}
        return best

    def _routes_of(self, path: str) -> list[BaseRoute]:
        name = path.removeprefix(f"{API}/").partition("/")[0]
        task = self._announced.find(name)
        return list(task.endpoints.routes) if task else []

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on to the endpoint that matched."""
        await scope["announced"].handle(scope, receive, send)

    def routes(self) -> Iterator[BaseRoute]:
        """Yield all endpoints, by the name of the task."""
        for _, task in sorted(self._announced.tasks.items()):
            yield from task.endpoints.routes


def add_to(app: FastAPI, announced: AnnouncedTasks, body_limit: int) -> None:
    """Serve the announced tasks after all other routes, and document them."""
    routes = AnnouncedRoutes(announced, body_limit)
    app.router.routes.append(routes)
    _document(app, announced, routes)


def _document(app: FastAPI, announced: AnnouncedTasks, routes: AnnouncedRoutes) -> None:
    """Add the announced tasks to the app's OpenAPI document."""
    build = app.openapi
    edition, merged = -1, dict[str, Any]()

    def openapi() -> dict[str, Any]:
        """Return the document; rebuild it when a task appears, changes or disappears."""
        nonlocal edition, merged
        if edition != announced.edition:
            edition, merged = announced.edition, _merged(build(), list(routes.routes()))
        return merged

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI documents it: how-to/extending-openapi


def _merged(document: dict[str, Any], routes: list[BaseRoute]) -> dict[str, Any]:
    more = get_openapi(title="", version="", routes=routes)
    components = document["components"]
    schemas = more.get("components", {}).get("schemas", {}) | components["schemas"]
    return document | {"paths": document["paths"] | more["paths"], "components": components | {"schemas": schemas}}
