"""What jobs have recorded in the database."""

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
    before: int | None = Field(default=None, ge=1, le=LARGEST_ID, description="The `next` of the page before")


class Record(BaseModel):
    """A job as the database knows it: one record, however often it runs."""

    model_config = ConfigDict(from_attributes=True)

    job_id: str
    task: str
    consumer: str = Field(description="Who ran it the last time")
    attempts: int = Field(ge=1, description="How often it was begun")
    started_at: datetime = Field(description="When it was begun the last time")
    finished_at: datetime | None = Field(description="Null until it is done")


class RecordPage(BaseModel):
    """Records, newest first."""

    records: list[Record]
    next: int | None = Field(description="Send it as `before` to get the next page; null on the last one")


@router.get(
    "",
    summary="List what jobs have recorded, newest first",
    operation_id="list_records",
    responses=problem_responses(422, 503),
)
async def list_records(
    query: Annotated[RecordsQuery, Query()], settings: SettingsDep, threads: DatabaseThreads
) -> RecordPage:
    try:
        with move_on_after(TIMEOUT):
            return await run_sync(_page, settings.database_reader, query, abandon_on_cancel=True, limiter=threads)
    except DatabaseUnavailable as error:
        raise type(error) from None  # without its detail, which is for those who run the stack
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


@lru_cache(maxsize=1000)  # once, however often the list is read
def _warn(row_id: int, columns: str) -> None:
    logger.warning("records: row %s is not listed: %s empty or unreadable; correct or delete it", row_id, columns)
