"""Check the database; in its own module, because only this check needs Alembic."""

from sqlalchemy import NullPool
from sqlalchemy.exc import SQLAlchemyError

from project.check import Check
from project.integrations.database import migrations
from project.integrations.database.engine import describe, is_mismatch, make_engine, reason
from project.integrations.database.history import Record
from project.settings import Settings

REPAIR = "something else has changed the tables: restore a backup (docs/how-to/back-up.md)"
NO_FILE = "start the stack, which creates it if it is missing; if it is damaged, restore a backup"
NO_SERVER = "start it, or correct DATABASE_URL in .env"


def check(settings: Settings) -> Check:
    """Check that the database answers within CHECK_TIMEOUT and has all its tables."""
    try:
        name, engine = describe(settings.database), make_engine(settings.database, poolclass=NullPool)
    except ValueError as error:
        return Check("database", "failed", str(error), "correct DATABASE_URL in .env")
    try:
        with engine.connect() as connection:
            behind = migrations.behind(connection)
            for table in Record.metadata.sorted_tables if not behind else []:
                connection.execute(table.select().limit(0))  # fails if the table or a column is missing
    except migrations.NewerDatabase as error:
        return Check("database", "failed", f"{name}: {error}", migrations.NEWER)
    except SQLAlchemyError as error:
        without = NO_FILE if engine.dialect.name == "sqlite" else NO_SERVER
        cure = REPAIR if is_mismatch(error) else without
        return Check("database", "failed", f"{name}: {reason(error)}", cure)
    if behind:
        return Check("database", "failed", f"{name}: {behind}", "start the stack again: it migrates first")
    return Check("database", "ok", f"{name} answers and has all tables")
