"""Migrate the database before the stack uses it: `python -m project.migrate`.

It runs in one transaction and is safe to repeat; concurrent runs wait for each other.
"""

import sys
from pathlib import Path

import psycopg
from alembic.util import CommandError
from sqlalchemy import NullPool
from sqlalchemy.exc import SQLAlchemyError

from project.integrations.database import migrations
from project.integrations.database.engine import describe, make_engine, reason
from project.settings import Settings, get_settings


def main() -> None:
    """Migrate, or exit with one line that gives the reason."""
    settings = get_settings()
    try:
        lacking = migrate(settings)
    except ValueError as error:
        sys.exit(f"glassqueue: {error}")
    except migrations.NewerDatabase as error:
        sys.exit(f"glassqueue: cannot start with {describe(settings.database_owner)}: {error}; {migrations.NEWER}")
    except (SQLAlchemyError, psycopg.Error, CommandError, OSError) as error:
        sys.exit(f"glassqueue: cannot migrate {describe(settings.database_owner)}: {reason(error)}")
    if lacking:
        print(f"glassqueue: {describe(settings.database_owner)} is up to date now", flush=True)


def migrate(settings: Settings) -> bool:
    """Migrate the database and, on PostgreSQL, grant the roles; return whether migrations were missing."""
    engine = make_engine(settings.database_owner, statement_timeout=0, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
    with engine.begin() as connection:
        return migrations.bring_up_to_date(connection, settings)


if __name__ == "__main__":
    main()
