"""The database as a file, and back: SQLite by its backup API, PostgreSQL by its own programs."""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from project.integrations import postgres_dump
from project.integrations.backups import BackupError, Report
from project.integrations.database import parse

PAGES = 256  # of SQLite that are copied between two reports: 1 MiB
BUSY = 10  # seconds that SQLite waits for another writer
DUMP, SQLITE = ".dump", ".sqlite3"
# a quota or a limit on the size of files is an error of writing
FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)


def suffix(url: str) -> str:
    """Return how the names of archives of the database at *url* end."""
    return SQLITE if parse(url).get_backend_name() == "sqlite" else DUMP


def write(url: str, path: Path, report: Report) -> dict[str, Any]:
    """Write the whole database to *path*, as it is at one moment, while others use it."""
    if suffix(url) == DUMP:
        postgres_dump.dump(url, path, report)
        return {"database": "PostgreSQL"}
    try:
        _write_sqlite(_sqlite_path(url), path, report)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) not in FULL:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error  # as of any other archive
    return {"database": "SQLite"}


def restore(url: str, path: Path, report: Report) -> None:
    """Put an archive in the place of the database: all of it or, whatever happens, nothing."""
    if path.suffix != suffix(url):
        raise BackupError(f"{path.name} is not of the kind of database that DATABASE_URL names")
    if suffix(url) == DUMP:
        return postgres_dump.restore(url, path, report)
    # immutable: SQLite would otherwise make files beside the archive
    with _opened(path, "mode=ro&immutable=1") as archive, _opened(_sqlite_path(url), "mode=rwc") as database:
        if archive.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise BackupError(f"SQLite finds {path.name} damaged")
        archive.backup(database, pages=PAGES, progress=_pages(report))


def _write_sqlite(source_path: Path, path: Path, report: Report) -> None:
    if not source_path.exists():
        raise BackupError(f"there is no database yet: no file {source_path}")
    with _opened(source_path, "mode=rw") as source, _opened(path, "mode=rwc") as target:
        # what is unfinished is thrown away, so it needs no journal
        target.execute("PRAGMA journal_mode = OFF")
        # one snapshot from the first page to the last: else each write of others would begin the copy anew
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(target, pages=PAGES, progress=_pages(report))


def _sqlite_path(url: str) -> Path:
    return Path(str(parse(url).database))


def _pages(report: Report) -> Callable[[int, int, int], None]:
    def progress(_: int, remaining: int, total: int) -> None:
        report(1 - remaining / total if total else 1, f"{total - remaining} of {total} pages")

    return progress


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=BUSY, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()
