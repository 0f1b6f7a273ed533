"""Dump and restore the database: SQLite with its backup API, PostgreSQL with pg_dump and pg_restore."""

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
    """Return the suffix of archives of the database at *url*."""
    return SQLITE if parse(url).get_backend_name() == "sqlite" else DUMP


def write(url: str, path: Path, report: Report, guard: Guard = manifest.accept) -> dict[str, Any]:
    """Write a consistent snapshot of the database to *path* while others use it, and a manifest beside it.

    *guard* gets the number of rows, and may refuse the backup.
    """
    if suffix(url) == SQLITE and not sqlite_path(url).exists():
        raise BackupError(f"there is no database yet: {sqlite_path(url)} does not exist")
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
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error  # like the error of other archives
    return {"database": "SQLite"}


def restore(settings: Settings, name: str, report: Report) -> dict[str, Any]:
    """Replace the database by an archive and migrate it, atomically."""
    with archives.alone(settings.backups, "database"):
        backup = archives.verify(settings.backups, name)
        if backup.path.suffix != suffix(settings.database_owner):
            raise BackupError(f"{name} is for another kind of database than DATABASE_URL names")
        result = _restorer(backup.path)(settings, backup.path, report)
    return {"name": name, "made_at": f"{backup.moment:%Y-%m-%dT%H:%M:%SZ}"} | result


def _restorer(path: Path) -> Callable[[Settings, Path, Report], dict[str, Any]]:
    # imported lazily: they need Alembic, which consumers do not load otherwise
    if path.suffix == DUMP:
        from project.integrations.backups import postgres_restore  # noqa: PLC0415

        return postgres_restore.restore
    from project.integrations.backups import sqlite_restore  # noqa: PLC0415

    return sqlite_restore.restore


def _write_sqlite(source_path: Path, path: Path, report: Report) -> None:
    with opened(source_path, "mode=rw") as source, opened(path, "mode=rwc") as target:
        # an unfinished copy is deleted, so it needs no journal
        target.execute("PRAGMA journal_mode = OFF")
        # a read transaction, so that a write of another process does not restart the copy
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(target, pages=PAGES, progress=pages(report))
