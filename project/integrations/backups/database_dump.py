"""The database as a file, and back: SQLite by its backup API, PostgreSQL by pg_dump and pg_restore."""

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from project.integrations.backups import archives, manifest, postgres_dump
from project.integrations.backups.archives import BackupError, Report
from project.integrations.backups.database_rows import count_rows
from project.integrations.backups.manifest import Guard
from project.integrations.backups.sqlite_files import FULL, PAGES, opened, pages, sqlite_path
from project.integrations.database.engine import parse
from project.settings import Settings

DUMP, SQLITE = ".dump", ".sqlite3"


def suffix(url: str) -> str:
    """Return how the names of archives of the database at *url* end."""
    return SQLITE if parse(url).get_backend_name() == "sqlite" else DUMP


def write(url: str, path: Path, report: Report, guard: Guard = manifest.accept) -> dict[str, Any]:
    """Write the whole database to *path*, as it is at one moment, while others use it, and a manifest beside it.

    *guard* is told how many rows there are, and may refuse to back up so few.
    """
    if suffix(url) == SQLITE and not sqlite_path(url).exists():
        raise BackupError(f"there is no database yet: no file {sqlite_path(url)}")
    tables = count_rows(url)
    guard({"rows": sum(tables.values())})
    manifest.write(path, {"content": {"rows": sum(tables.values())}, "tables": tables})
    return _write(url, path, report)


def _write(url: str, path: Path, report: Report) -> dict[str, Any]:
    if suffix(url) == DUMP:
        postgres_dump.dump(url, path, report)
        return {"database": "PostgreSQL"}
    try:
        _write_sqlite(sqlite_path(url), path, report)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) not in FULL:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error  # as of any other archive
    return {"database": "SQLite"}


def restore(settings: Settings, name: str, report: Report) -> dict[str, Any]:
    """Put an archive in the place of the database and migrate it: all of it or, whatever happens, nothing."""
    with archives.alone(settings.backups, "database"):
        backup = archives.verify(settings.backups, name)
        if backup.path.suffix != suffix(settings.database_owner):
            raise BackupError(f"{name} is not of the kind of database that DATABASE_URL names")
        told = _restorer(backup.path)(settings, backup.path, report)
    return {"name": name, "made_at": f"{backup.moment:%Y-%m-%dT%H:%M:%SZ}"} | told


def _restorer(path: Path) -> Callable[[Settings, Path, Report], dict[str, Any]]:
    # imported lazily: they need Alembic, which consumers otherwise do not load
    if path.suffix == DUMP:
        from project.integrations.backups import postgres_restore  # noqa: PLC0415

        return postgres_restore.restore
    from project.integrations.backups import sqlite_restore  # noqa: PLC0415

    return sqlite_restore.restore


def _write_sqlite(source_path: Path, path: Path, report: Report) -> None:
    with opened(source_path, "mode=rw") as source, opened(path, "mode=rwc") as target:
        # what is unfinished is thrown away, so it needs no journal
        target.execute("PRAGMA journal_mode = OFF")
        # one snapshot from the first page to the last: else each write of others would begin the copy anew
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(target, pages=PAGES, progress=pages(report))
