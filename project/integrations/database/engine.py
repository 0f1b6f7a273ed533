"""The relational database of jobs that need one: PostgreSQL, or a SQLite file. SQLAlchemy does the work.

`with transaction(url) as session:` is all that a task needs; what a row is stands in a module per table (records.py).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from sqlalchemy import URL, Engine, MetaData, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, ProgrammingError, TimeoutError
from sqlalchemy.orm import DeclarativeBase, Session

from project.errors import DatabaseMismatch, DatabaseUnavailable
from project.integrations.check import CHECK_TIMEOUT

# per process; a prefork child uses one connection
POOL = {"pool_size": 5, "max_overflow": 0, "pool_timeout": 1, "pool_pre_ping": True}
CONNECT_TIMEOUT = CHECK_TIMEOUT  # seconds; PostgreSQL's drivers accept no less than 2
STATEMENT_TIMEOUT = 5  # seconds: a statement that waits longer waits for a lock
AWAY = (OperationalError, InterfaceError, TimeoutError)


class Base(DeclarativeBase):
    """What all tables here have in common; migrations are made from its subclasses."""

    # a migration can change only what has a name
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
        }
    )


@contextmanager
def transaction(url: str) -> Iterator[Session]:
    """Run a block in a transaction of its own; raise DatabaseUnavailable, with the reason, if the database is away.

    DatabaseMismatch is one of these: tables or columns are missing.
    Keep the block short: SQLite has one writer at a time.
    """
    try:
        # what was read can be used after the block
        with Session(_engine(url), expire_on_commit=False) as session, session.begin():
            yield session
    except (*AWAY, ProgrammingError) as error:
        if _is_mismatch(error):
            raise DatabaseMismatch(f"{DatabaseMismatch.title()} The database says: {reason(error)}") from error
        if isinstance(error, ProgrammingError):
            raise
        raise DatabaseUnavailable(f"the database says: {reason(error)}") from error


@cache
def _engine(url: str) -> Engine:
    """Return the engine of this process, made when it is first needed."""
    engine = make_engine(url, **POOL)
    # two processes must not talk on one connection: a child forgets those of its parent and leaves them open
    os.register_at_fork(after_in_child=partial(engine.dispose, close=False))
    return engine


def make_engine(url: str, statement_timeout: int = STATEMENT_TIMEOUT, **options: Any) -> Engine:
    """Return an engine that waits for nothing without end; ValueError if the URL is not one of ours."""
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        # no pool: a file is opened quickly, and no process inherits it open
        limits = {"timeout": STATEMENT_TIMEOUT}
        engine = create_engine(parsed, poolclass=NullPool, hide_parameters=True, connect_args=limits)
        event.listen(engine, "connect", _check_foreign_keys)
        return engine
    limits = {"connect_timeout": CONNECT_TIMEOUT, "tcp_user_timeout": 1000 * CONNECT_TIMEOUT}
    # a server that was set up with the locale C would send bytes otherwise
    session = {"options": f"-c statement_timeout={statement_timeout}s", "client_encoding": "utf8"}
    # hidden: what is in a row may be secret, and errors are logged
    return create_engine(parsed, hide_parameters=True, connect_args=limits | session, **options)


def parse(url: str) -> URL:
    """Return the parts of a database's URL with the driver that we have; ValueError if it is of another kind."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # whose text may show a part of the password
        parsed = URL.create("")
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite" and parsed.database:
        return parsed
    raise ValueError("DATABASE_URL is neither postgresql+psycopg://user:password@host/database nor sqlite:////path")


def describe(url: str) -> str:
    """Say which database a URL names, without user and password."""
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        return f"SQLite file {parsed.database}"
    return f"PostgreSQL database {parsed.database} at {parsed.host}:{parsed.port or 5432}"


def reason(error: Exception) -> str:
    """Return the first line of what the database said; SQLAlchemy's own text adds the statement and a link."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def _is_mismatch(error: Exception) -> bool:
    """Tell whether a table or a column is missing: other code, older or newer, has migrated the database."""
    if sqlstate := getattr(getattr(error, "orig", None), "sqlstate", None):
        return sqlstate in ("42P01", "42703")  # undefined table, undefined column
    return any(words in str(error) for words in ("no such table", "no such column", "has no column"))


def _check_foreign_keys(connection: Any, _: Any) -> None:
    """Switch on what SQLite ignores by default."""
    connection.execute("PRAGMA foreign_keys=ON")
