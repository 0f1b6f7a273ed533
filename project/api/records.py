"""Records: the history that jobs write to the database."""

import logging
from datetime import datetime
from functools import lru_cache
from typing import Annotated

from anyio import move_on_after
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from project.api.deps import DatabaseThreads, SettingsDep
from project.api.paths import API
from project.api.problems import problem_responses
from project.errors import DatabaseUnavailable
from project.integrations.database import history
from project.integrations.database.engine import transaction
from project.task_options.body_limits import Limited

TIMEOUT = 1.5  # seconds
logger = logging.getLogger(__name__)
LARGEST_ID = 2**63 - 1

router = APIRouter(prefix=f"{API}/records", tags=["records"])


class RecordsQuery(Limited):
    """Which of the records to list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=100)
    before: int | None = Field(default=None, ge=1, le=LARGEST_ID, description="The `next` of the previous page")


class Record(BaseModel):
    """A row of the history: one per job, even if the job runs several times."""

    model_config = ConfigDict(from_attributes=True)

    job_id: str
    task: str
    consumer: str = Field(description="The consumer that ran it last")
    attempts: int = Field(ge=1, description="How many times it was started")
    started_at: datetime = Field(description="When it was last started")
    finished_at: datetime | None = Field(description="Null until it has finished")


class RecordPage(BaseModel):
    """Records, newest first."""

    records: list[Record]
    next: int | None = Field(description="Send it as `before` to get the next page; null on the last page")


@router.get(
    "",
    summary="List the history of jobs, newest first",
    operation_id="list_records",
    responses=problem_responses(422, 503),
)
async def list_records(
    query: Annotated[RecordsQuery, Query()], settings: SettingsDep, threads: DatabaseThreads
) -> RecordPage:
    """Return a page of the history. 503 if the database does not respond within 1.5 seconds."""
    try:
        with move_on_after(TIMEOUT):
            return await run_sync(_page, settings.database_reader, query, abandon_on_cancel=True, limiter=threads)
    except DatabaseUnavailable as error:
        raise type(error) from None  # without its detail, which is for operators only
    raise DatabaseUnavailable


def _page(url: str, query: RecordsQuery) -> RecordPage:
    with transaction(url) as session:
        rows = history.page(session, query.limit, query.before)
    found = []
    for row in rows:
        try:
            found.append(Record.model_validate(row))
        except ValidationError as error:
            _warn(row.id, ", ".join(sorted(str(each["loc"][0]) for each in error.errors())))
    return RecordPage(records=found, next=rows[-1].id if len(rows) == query.limit else None)


@lru_cache(maxsize=1000)  # warns once per row, however often the list is read
def _warn(row_id: int, columns: str) -> None:
    logger.warning("records: row %s is not listed: %s empty or unreadable; correct or delete it", row_id, columns)
