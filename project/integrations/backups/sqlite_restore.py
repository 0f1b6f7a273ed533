"""Replace a SQLite database by an archive: migrate a copy of it, then write the copy in one transaction."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from project.integrations.backups.archives import BackupError, Report
from project.integrations.backups.sqlite_files import PAGES, opened, pages, sqlite_path
from project.integrations.database import migrations
from project.integrations.database.engine import make_engine, reason
from project.settings import Settings

DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
DAMAGE = (
    "{} is damaged ({}): stop the stack, move this file away, with those beside it that end with -wal and -shm, and "
    "restore again"
)


def restore(settings: Settings, path: Path, report: Report) -> dict[str, Any]:
    """Restore an archive atomically."""
    database = sqlite_path(settings.database_owner)
    database.parent.mkdir(parents=True, exist_ok=True)
    with _copied(path, database.with_name(f"{database.name}.restoring")) as copy:
        try:
            _check(copy, path.name)
        except sqlite3.DatabaseError as error:
            raise BackupError(f"{path.name} is damaged, or no backup of this database: {error}") from error
        _migrate(copy, settings)
        _replace(database, copy, report)
    return {}


def _check(copy: Path, name: str) -> None:
    with opened(copy, "mode=rw") as connection:
        if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise BackupError(f"{name} is damaged: SQLite's integrity check fails")
        tables = {table for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        rows = connection.execute("SELECT version_num FROM alembic_version") if "alembic_version" in tables else []
        if not (revisions := {revision for (revision,) in rows}):
            raise BackupError(migrations.NO_MIGRATION.format(name))
        message = f"{name} was made by newer code, at migration {{}}: start that version and restore the backup with it"
        migrations.refuse_newer(revisions, message)


def _migrate(copy: Path, settings: Settings) -> None:
    engine = make_engine(URL.create("sqlite", database=str(copy)).render_as_string())
    try:
        with engine.begin() as connection:
            migrations.bring_up_to_date(connection, settings)
    except (DBAPIError, ValueError) as error:
        raise BackupError(f"the backup cannot be migrated, and the database is unchanged: {reason(error)}") from error


def _replace(database: Path, copy: Path, report: Report) -> None:
    try:
        with opened(copy, "mode=rw") as source, opened(database, "mode=rwc") as target:
            source.backup(target, pages=PAGES, progress=pages(report))
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) in DAMAGED:
            raise BackupError(DAMAGE.format(database, error)) from error
        raise BackupError(f"cannot write {database}: {error}") from error


@contextmanager
def _copied(path: Path, copy: Path) -> Iterator[Path]:
    """Yield a temporary copy of an archive; replace the remains of a killed job."""
    parts = [copy, *(copy.with_name(copy.name + ending) for ending in ("-wal", "-shm", "-journal"))]
    try:
        for part in parts:
            part.unlink(missing_ok=True)
        shutil.copyfile(path, copy)
        yield copy
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
