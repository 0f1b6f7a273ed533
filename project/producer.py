"""The FastAPI producer: `uvicorn --factory project.producer:create_app`."""

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

from project import __version__, logs, misspelt
from project.api import (
    announced,
    catalogue,
    chaos,
    consumers,
    events,
    failures,
    health,
    jobs,
    metrics,
    overview,
    queues,
    records,
    reminders,
    schedules,
    task_routes,
)
from project.api.event_feed import Feed
from project.api.express import ExpressMiddleware
from project.api.guard import GuardMiddleware
from project.api.head import HeadMiddleware
from project.api.parameters import BODY_LIMIT
from project.api.paths import API, PRODUCER
from project.api.problems import add_error_handlers, document_problems
from project.api.too_large import TooLargeMiddleware
from project.celery_config.app import create_celery_app
from project.health.recent_checks import RecentChecks
from project.inbox.inbox import Inbox
from project.integrations.database.engine import POOL
from project.jobs.chaos import Chaos
from project.jobs.overview import Overview
from project.jobs.producer_heartbeat import ProducerHeartbeat
from project.jobs.service import Jobs
from project.schedules.task_scheduler import TaskScheduler
from project.settings import Settings, get_settings
from project.startup import explained
from project.task_options.signature import arguments_model


@explained()
def create_app() -> FastAPI:
    """Return the producer; its paths are the public ones, so NGINX does not rewrite them."""
    settings = get_settings()
    _set_up_logs(settings)
    app: FastAPI = FastAPIOffline(
        title="Glassqueue",
        version=__version__,
        docs_url=f"{PRODUCER}/docs",
        redoc_url=f"{PRODUCER}/redoc",
        openapi_url=f"{PRODUCER}/openapi.json",
        swagger_ui_oauth2_redirect_url=f"{PRODUCER}/docs/oauth2-redirect",
        static_url=f"{PRODUCER}/static-docs",
        max_body_size=BODY_LIMIT,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    _set_up_state(app, settings)
    add_error_handlers(app)
    _add_middleware(app, settings)
    _add_routers(app)
    document_problems(app)
    return app


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Follow the changes of jobs and read the inbox while the app runs."""
    _collect_garbage_rarely()
    state = app.state
    following = announced.following(state.jobs.app.announced, state.settings)
    async with following, state.jobs.lifespan(), state.inbox.lifespan(), state.heartbeat.lifespan():
        yield


def _collect_garbage_rarely() -> None:
    """Keep a body of a million small lists from blocking the event loop for seconds.

    By default Python looks through all objects of the process again and again while it reads such a body.
    """
    gc.collect()
    gc.freeze()  # the objects that exist now stay for the life of the process, so skip them in every collection
    gc.set_threshold(10_000, 20, 100)


def _set_up_logs(settings: Settings) -> None:
    logs.to_stdout(settings.log_level)
    general = logging.getLogger("uvicorn")
    general.handlers.clear()  # its lines get the format of all others
    general.propagate = True
    logging.getLogger("uvicorn.error").setLevel(settings.log_level)  # the name of uvicorn's general logger
    if settings.in_containers:
        misspelt.warn_of_misspelt_settings()


def _set_up_state(app: FastAPI, settings: Settings) -> None:
    """Create the objects that the endpoints use; they get them through project/api/deps.py."""
    celery_app, state = create_celery_app(settings), app.state
    state.settings = settings
    state.jobs = Jobs(celery_app, settings)
    state.scheduler = TaskScheduler(celery_app, state.jobs.available, state.jobs.admission)
    state.feed = Feed(state.jobs.changes, settings.max_event_listeners)
    state.chaos = Chaos(state.jobs, settings)
    state.heartbeat = ProducerHeartbeat(settings, metrics.total, lambda: state.overview.pages)
    state.overview = Overview(celery_app, settings, state.jobs.changes, state.heartbeat.name)
    state.inbox = Inbox(state.jobs, settings, arguments_model)
    state.catalogue = catalogue.Catalogue(state.jobs, state.jobs.app.announced)
    state.checks = RecentChecks(settings)
    # their own threads, so that a check or a database that hangs does not block the endpoints of jobs
    state.check_threads = CapacityLimiter(4)
    state.database_threads = CapacityLimiter(POOL["pool_size"])


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Add the middleware; the last one added handles a request first, after the two outermost."""
    app.add_middleware(HeadMiddleware)
    app.add_middleware(GuardMiddleware, hosts=settings.hosts, private_prefix=f"{API}/")
    app.add_middleware(metrics.MetricsMiddleware)
    build = app.build_middleware_stack

    def build_middleware_stack() -> ASGIApp:
        """Wrap Starlette's own middleware in two more, which add_middleware() cannot do."""
        return ExpressMiddleware(TooLargeMiddleware(build()), app.state.jobs, settings.hosts)

    app.build_middleware_stack = build_middleware_stack  # type: ignore[method-assign]


def _add_routers(app: FastAPI) -> None:
    """Add the endpoints, one router per noun; a schedule's body may be as large as that of the largest task."""
    tasks = app.state.jobs.tasks()
    largest = max((task.body_limit or BODY_LIMIT for task in tasks), default=BODY_LIMIT)
    app.include_router(catalogue.router)
    app.include_router(jobs.router, max_body_size=largest)
    app.include_router(failures.router)
    app.include_router(queues.router)
    app.include_router(consumers.router)
    app.include_router(events.router)
    app.include_router(overview.router)
    app.include_router(chaos.router)
    app.include_router(schedules.router, max_body_size=largest)
    app.include_router(reminders.router)
    app.include_router(records.router)
    for task in tasks:
        app.include_router(task_routes.task_router(task))
    app.include_router(health.router)
    announced.add_to(app, app.state.jobs.app.announced, BODY_LIMIT)
