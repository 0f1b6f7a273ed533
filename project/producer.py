"""The FastAPI producer: `uvicorn --factory project.producer:create_app`."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from project import __version__, logs, misspelt
from project.api.event_feed import Feed
from project.api.guard import GuardMiddleware
from project.api.head import HeadMiddleware
from project.api.health import health_router
from project.api.jobs import jobs_router
from project.api.metrics import MetricsMiddleware
from project.api.overview import overview_router
from project.api.problems import add_error_handlers, document_problems
from project.api.records import records_router
from project.api.reminders import reminders_router
from project.api.schedules import schedules_router
from project.api.tasks import tasks_router
from project.celery_config.app import create_celery_app
from project.health.checks import RecentChecks
from project.inbox.inbox import Inbox
from project.jobs.service import Jobs
from project.schedules.task_scheduler import TaskScheduler
from project.settings import get_settings
from project.startup import explained
from project.task_options.signature import arguments_model


@asynccontextmanager
async def _lifespan(jobs: Jobs, inbox: Inbox, _: FastAPI) -> AsyncIterator[None]:
    """Run what belongs to the event loop, and read the inbox, for as long as the app runs."""
    async with jobs.lifespan(), inbox.lifespan():
        yield


@explained()
def create_app() -> FastAPI:
    """Return the producer, wired; its paths are the public ones, so NGINX rewrites nothing."""
    settings = get_settings()
    logs.to_stdout(settings.log_level)
    logging.getLogger("uvicorn.error").setLevel(settings.log_level)  # its name for all that it says
    if settings.in_containers:
        misspelt.warn_of_misspelt_settings()
    celery_app = create_celery_app(settings)
    jobs, scheduler = Jobs(celery_app, settings), TaskScheduler(celery_app)
    feed = Feed(jobs.changes, settings.max_event_listeners)
    inbox = Inbox(jobs, settings, arguments_model)
    app: FastAPI = FastAPIOffline(
        title="Glassqueue",
        version=__version__,
        docs_url="/producer/docs",
        redoc_url="/producer/redoc",
        openapi_url="/producer/openapi.json",
        swagger_ui_oauth2_redirect_url="/producer/docs/oauth2-redirect",
        static_url="/producer/static-docs",
        max_body_size=1024 * 1024,  # as NGINX's client_max_body_size; also enforced for requests that bypass NGINX
        redirect_slashes=False,
        lifespan=partial(_lifespan, jobs, inbox),
    )
    add_error_handlers(app)
    document_problems(app)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(GuardMiddleware, hosts=settings.hosts, private_prefix="/producer/api/")
    app.add_middleware(MetricsMiddleware)
    app.include_router(tasks_router(jobs, "/producer/api"))
    app.include_router(overview_router(jobs, feed, "/producer/api"))
    app.include_router(schedules_router(jobs, scheduler, "/producer/api"))
    app.include_router(reminders_router(scheduler, jobs.available, "/producer/api"))
    app.include_router(records_router(settings.database_reader, "/producer/api"))
    app.include_router(jobs_router(jobs, "/producer/api"))
    app.include_router(health_router(jobs, RecentChecks(settings), "/producer"))
    return app
