"""`python -m project.migrate`: bring the database up to date before anybody works with it.

Safe to run again, and by several at once: each waits for the one before, and all of it is one transaction.
"""

import sys
from pathlib import Path

import psycopg
from alembic.util import CommandError
from sqlalchemy import Connection, NullPool
from sqlalchemy.exc import SQLAlchemyError

from project.integrations import migrations, roles
from project.integrations.database import describe, make_engine, reason
from project.settings import Settings, get_settings

LOCK = 7_305_771  # any number that nobody else takes as an advisory lock in this database


def main() -> None:
    """Migrate, or stop the process with one line that says what is wrong."""
    settings = get_settings()
    try:
        lacking = migrate(settings)
    except ValueError as error:
        sys.exit(f"glassqueue: {error}")
    except (SQLAlchemyError, psycopg.Error, CommandError, OSError) as error:
        sys.exit(f"glassqueue: cannot migrate {describe(settings.database_owner)}: {reason(error)}")
    if lacking:
        print(f"glassqueue: {describe(settings.database_owner)} is up to date now", flush=True)


def migrate(settings: Settings) -> bool:
    """Bring the database to the newest migration and, on PostgreSQL, the roles; tell whether it lacked anything."""
    engine = make_engine(settings.database_owner, statement_timeout=0, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
    with engine.begin() as connection:
        _lock(connection)
        lacking = bool(migrations.behind(connection))
        migrations.upgrade(connection)
        if engine.dialect.name == "postgresql":
            roles.grant(connection, settings.database, settings.database_reader)
    return lacking


def _lock(connection: Connection) -> None:
    """Wait for others who migrate; the end of the transaction lets the next one go on."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    else:
        # for good: readers do not wait for the writer then
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.exec_driver_sql("BEGIN IMMEDIATE")


if __name__ == "__main__":
    main()
