"""Read and write the job history, the table `records`: one row per job, however often it runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, TypeDecorator, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from project.integrations.database.engine import Base, transaction

BATCH = 10_000  # rows deleted per transaction: well within STATEMENT_TIMEOUT, and other writers get a turn
# SQLite stores anything in any column, and PostgreSQL knows infinity and years that Python does not
UNREADABLE = (TypeError, ValueError, OverflowError, DataError)


class Moment(TypeDecorator[datetime]):
    """A time in UTC; values from SQLite, which loses time zones, become UTC again."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Record(Base):
    """A job in the history; consumer and started_at are those of its last run."""

    __tablename__ = "records"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    job_id: Mapped[str] = mapped_column(unique=True)
    task: Mapped[str]
    consumer: Mapped[str]
    attempts: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(Moment, index=True)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)


@contextmanager
def recorded(url: str, job_id: str, task: str, consumer: str) -> Iterator[None]:
    """Record the start of a job and, unless the block raises, its end; no transaction is open in between."""
    with transaction(url) as session:
        start(session, job_id, task, consumer)
    yield
    with transaction(url) as session:
        finish(session, job_id)


def start(session: Session, job_id: str, task: str, consumer: str) -> None:
    """Record the start of a run; increment attempts if there is a row already."""
    values: dict[str, Any] = {"consumer": consumer, "started_at": datetime.now(UTC), "finished_at": None}
    first = {"job_id": job_id, "task": task, "attempts": 1, **values}
    again = {"attempts": Record.attempts + 1, **values}
    # standard SQL has no upsert, so use that of the dialect
    dialect: Any = {"postgresql": postgresql, "sqlite": sqlite}[session.get_bind().dialect.name]
    insert = dialect.insert(Record).values(first)
    session.execute(insert.on_conflict_do_update(index_elements=[Record.job_id], set_=again))


def finish(session: Session, job_id: str) -> None:
    """Record the end of a job."""
    session.execute(update(Record).where(Record.job_id == job_id).values(finished_at=datetime.now(UTC)))


def page(session: Session, limit: int, before: int | None = None) -> list[Record]:
    """Return rows, newest first, older than the id *before*; an unreadable row has only its id."""
    query = select(Record).order_by(Record.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Record.id < before)
    try:
        return list(session.scalars(query))
    except UNREADABLE:
        return [_readable(session, row_id) for row_id in session.scalars(query.with_only_columns(Record.id)).all()]


def _readable(session: Session, row_id: int) -> Record:
    try:
        return session.get_one(Record, row_id)
    except UNREADABLE:
        return Record(id=row_id)


def purge(url: str, before: datetime, batch: int = BATCH) -> int:
    """Delete the rows of jobs that started before a time, in batches; return the number of deleted rows.

    Rows that other rows refer to by a foreign key without ON DELETE stay.
    """
    old = select(Record.id).where(Record.started_at < before).order_by(Record.id).limit(batch)
    total, last = 0, -(2**63)
    while True:
        with transaction(url) as session:
            ids = session.scalars(old.where(Record.id > last)).all()
        if not ids:
            return total
        total, last = total + _delete(url, ids), ids[-1]


def _delete(url: str, ids: Sequence[int]) -> int:
    """Delete rows; if the database refuses, halve their number until those that it refuses are left."""
    try:
        with transaction(url) as session:
            result: Any = session.execute(delete(Record).where(Record.id.in_(ids)))
            return int(result.rowcount)
    except IntegrityError:
        middle = len(ids) // 2
        return _delete(url, ids[:middle]) + _delete(url, ids[middle:]) if middle else 0
