"""Connect jobs to the relational database, PostgreSQL or a SQLite file, with SQLAlchemy.

A task only needs `with transaction(url) as session:`. Each table has its own module (history.py).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from sqlalchemy import URL, Engine, MetaData, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, ProgrammingError, TimeoutError
from sqlalchemy.orm import DeclarativeBase, Session

from project.check import CHECK_TIMEOUT
from project.errors import DatabaseMismatch, DatabaseUnavailable

# per process; a prefork child uses one connection
POOL = {"pool_size": 5, "max_overflow": 0, "pool_timeout": 1, "pool_pre_ping": True}
CONNECT_TIMEOUT = CHECK_TIMEOUT  # seconds; the minimum of PostgreSQL's drivers is 2
STATEMENT_TIMEOUT = 5  # seconds; a slower statement is probably waiting for a lock
UNAVAILABLE = (OperationalError, InterfaceError, TimeoutError)


class Base(DeclarativeBase):
    """The base class of all tables; Alembic generates migrations from its subclasses."""

    # a migration can only change constraints that have a name
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
    """Run a block in a transaction; raise DatabaseUnavailable, with the reason, if the database is unavailable.

    Raise its subclass DatabaseMismatch if tables or columns are missing.
    Keep the block short: SQLite has one writer at a time.
    """
    try:
        # objects stay usable after the block
        with Session(_engine(url), expire_on_commit=False) as session, session.begin():
            yield session
    except (*UNAVAILABLE, ProgrammingError) as error:
        if is_mismatch(error):
            raise DatabaseMismatch(f"{DatabaseMismatch.title()} The database says: {reason(error)}") from error
        if isinstance(error, ProgrammingError):
            raise
        raise DatabaseUnavailable(f"the database says: {reason(error)}") from error


@cache
def _engine(url: str) -> Engine:
    """Return the engine of this process, created at first use."""
    engine = make_engine(url, **POOL)
    # processes must not share connections: a child drops its parent's connections without closing them
    os.register_at_fork(after_in_child=partial(engine.dispose, close=False))
    return engine


def make_engine(url: str, statement_timeout: int = STATEMENT_TIMEOUT, **options: Any) -> Engine:
    """Return an engine with timeouts everywhere; raise ValueError if the URL is not supported."""
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        # no pool: opening a file is fast, and no child process inherits an open file
        limits = {"timeout": STATEMENT_TIMEOUT}
        engine = create_engine(parsed, poolclass=NullPool, hide_parameters=True, connect_args=limits)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    limits = {"connect_timeout": CONNECT_TIMEOUT, "tcp_user_timeout": 1000 * CONNECT_TIMEOUT}
    # otherwise a server with the locale C would send bytes
    session = {"options": f"-c statement_timeout={statement_timeout}s", "client_encoding": "utf8"}
    # hidden: rows may contain secrets, and errors are logged
    return create_engine(parsed, hide_parameters=True, connect_args=limits | session, **options)


def parse(url: str) -> URL:
    """Parse a database URL and set our driver; raise ValueError if the database is not supported."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the error text may leak the password
        parsed = URL.create("")
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite" and parsed.database:
        return parsed
    raise ValueError("DATABASE_URL must be postgresql+psycopg://user:password@host/database or sqlite:////path")


def describe(url: str) -> str:
    """Describe the database that a URL names, without user and password."""
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        return f"SQLite file {parsed.database}"
    return f"PostgreSQL database {parsed.database} at {parsed.host}:{parsed.port or 5432}"


def reason(error: Exception) -> str:
    """Return the first line of the database's error; SQLAlchemy's own text adds the statement and a link."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def is_mismatch(error: Exception) -> bool:
    """Tell whether a table or a column is missing, because older or newer code has migrated the database."""
    if sqlstate := getattr(getattr(error, "orig", None), "sqlstate", None):
        return sqlstate in ("42P01", "42703")  # undefined table, undefined column
    return any(words in str(error) for words in ("no such table", "no such column", "has no column"))


def _prepare_sqlite(connection: Any, _: Any) -> None:
    """Enable foreign keys, which SQLite ignores by default, and read text that is not UTF-8, which it accepts."""
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    connection.execute("PRAGMA foreign_keys=ON")
