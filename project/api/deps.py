"""Dependencies of the endpoints: `create_app` puts objects on `app.state`, endpoints receive them by annotation.

@router.get("")
def list_queues(jobs: JobsDep) -> list[Queue]: ...
"""

from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from project.api.event_feed import Feed
from project.errors import UnsupportedContentType
from project.health.recent_checks import RecentChecks
from project.jobs.overview import Overview
from project.jobs.service import Jobs
from project.schedules.task_scheduler import TaskScheduler
from project.settings import Settings

# These are async so that they need no thread: during an outage of Redis, waiting requests may hold all threads.


async def _settings(request: Request) -> Settings:
    return request.app.state.settings


async def _jobs(request: Request) -> Jobs:
    return request.app.state.jobs


async def _scheduler(request: Request) -> TaskScheduler:
    return request.app.state.scheduler


async def _feed(request: Request) -> Feed:
    return request.app.state.feed


async def _overview(request: Request) -> Overview:
    return request.app.state.overview


async def _checks(request: Request) -> RecentChecks:
    return request.app.state.checks


async def _check_threads(request: Request) -> CapacityLimiter:
    return request.app.state.check_threads


async def _database_threads(request: Request) -> CapacityLimiter:
    return request.app.state.database_threads


SettingsDep = Annotated[Settings, Depends(_settings)]
JobsDep = Annotated[Jobs, Depends(_jobs)]
SchedulerDep = Annotated[TaskScheduler, Depends(_scheduler)]
FeedDep = Annotated[Feed, Depends(_feed)]
OverviewDep = Annotated[Overview, Depends(_overview)]
ChecksDep = Annotated[RecentChecks, Depends(_checks)]
CheckThreads = Annotated[CapacityLimiter, Depends(_check_threads)]
DatabaseThreads = Annotated[CapacityLimiter, Depends(_database_threads)]


async def require_json(request: Request) -> None:
    """Reject a body whose Content-Type is not application/json."""
    empty = request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not empty and media_type != "application/json":
        raise UnsupportedContentType


def require_broker(jobs: JobsDep) -> None:
    """Raise BrokerUnavailable if the broker does not answer."""
    jobs.ping()


def require_room_to_listen(jobs: JobsDep) -> None:
    """Raise TooManyListeners if MAX_WAITERS clients already wait for jobs or follow them."""
    jobs.require_room()
