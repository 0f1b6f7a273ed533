"""Open SQLite files, and copy them page by page while others use them."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from project.integrations.backups.archives import BackupError, Report
from project.integrations.database.engine import parse

PAGES = 256  # pages copied between two reports: 1 MiB
BUSY = 10  # seconds that SQLite waits for another writer
# exceeding a quota or a file size limit is a write error
FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE)


def sqlite_path(url: str) -> Path:
    """Return the path of the file in a URL."""
    return Path(str(parse(url).database))


@contextmanager
def opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """Open a database with SQLite's `mode`."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=BUSY, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def pages(report: Report) -> Callable[[int, int, int], None]:
    """Return the progress function of a copy; it aborts a copy that waits too long for another writer."""
    waiting_since: float | None = None

    def progress(status: int, remaining: int, total: int) -> None:
        """Report the copied pages; raise BackupError after BUSY seconds without progress."""
        nonlocal waiting_since
        if status in (sqlite3.SQLITE_OK, sqlite3.SQLITE_DONE):
            waiting_since = None
            return report(1 - remaining / total if total else 1, f"{total - remaining} of {total} pages")
        # Python would retry forever
        waiting_since = waiting_since or time.monotonic()
        if time.monotonic() - waiting_since > BUSY:
            raise BackupError(f"another program has written to the database for more than {BUSY} s; try again later")

    return progress
