"""Backups of a SQLite database, and restoring them."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from project.celery_config.tasks import maintenance
from project.integrations.backups import archives, database_dump
from project.migrate import migrate
from project.settings import Settings, get_settings
from tests.support.wait import wait_until

# what a job does as long as it is not killed: rows in pairs, both or none
WRITER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
number = 0
while True:
    number += 1
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO run VALUES (?, 'a')", (number,))
    database.execute("INSERT INTO run VALUES (?, 'b')", (number,))
    database.execute("COMMIT")
"""


# the kernel refuses to let files grow any further in the middle of an archive
FULL = """
import resource, sys
from project.celery_config.tasks import maintenance

resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    maintenance.backup_database()
except maintenance.FINAL as error:
    print(error)
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database of some megabytes."""
    path = tmp_path / "records.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE run (number INTEGER, text TEXT)")
        connection.executemany("INSERT INTO run VALUES (0, ?)", [("x" * 1000,)] * 4000)
    connection.close()
    migrate(Settings(_env_file=None, run_dir=tmp_path))
    return path


@pytest.fixture
def settings(database: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The settings of the tasks point there."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{database}")
    monkeypatch.setenv("RUN_DIR", str(database.parent))
    get_settings.cache_clear()
    yield get_settings()
    get_settings.cache_clear()


def _rows(path: Path) -> dict[int, int]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT number, count(*) FROM run GROUP BY number").fetchall()
    connection.close()
    return dict(rows)


def test_a_backup_under_writes_is_of_one_moment_and_can_be_restored(database: Path, settings: Settings) -> None:
    """Rows that were written together are in it together; restoring takes back what came later."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(database)]) as writer:
        try:
            wait_until(lambda: len(_rows(database)) > 5)
            summary = maintenance.backup_database()
            before = len(_rows(database))
            wait_until(lambda: len(_rows(database)) > before)
        finally:
            writer.kill()
    assert summary["name"].endswith(".sqlite3") and summary["database"] == "SQLite"
    rows = _rows(settings.backups / summary["name"])
    assert rows.pop(0) == 4000 and len(rows) >= 5
    assert set(rows.values()) == {2} and sorted(rows) == list(range(1, len(rows) + 1))
    assert maintenance.verify_backup(summary["name"]).items() >= {"bytes": summary["bytes"]}.items()
    assert maintenance.restore_database(summary["name"])["name"] == summary["name"]
    assert _rows(database) == {0: 4000, **rows}


def test_progress_comes_from_the_pages_that_are_copied(database: Path, tmp_path: Path) -> None:
    """From the first mebibyte to the last one."""
    reports: list[float] = []
    database_dump.write(f"sqlite:///{database}", tmp_path / "copy", lambda *report: reports.append(report[0]))
    assert len(reports) > 3 and reports == sorted(reports) and reports[-1] == 1


def test_a_restored_database_is_the_old_one_while_others_look(database: Path, settings: Settings) -> None:
    """A connection that was open all the time sees what was restored."""
    summary = maintenance.backup_database()
    looking = sqlite3.connect(database, isolation_level=None)
    looking.execute("DELETE FROM run")
    maintenance.restore_database(summary["name"])
    assert looking.execute("SELECT count(*) FROM run").fetchone() == (4000,)
    looking.close()


def test_nothing_is_restored_from_what_is_broken(database: Path, settings: Settings) -> None:
    """Neither from a changed archive, nor into another kind of database."""
    summary = maintenance.backup_database()
    other = settings.model_copy(update={"database_url": SecretStr("postgresql://x/y")})
    with pytest.raises(archives.BackupError, match="for another kind"):
        database_dump.restore(other, summary["name"], print)
    archive = settings.backups / summary["name"]
    with archive.open("r+b") as file:
        file.seek(5000)
        file.write(b"harm")
    with pytest.raises(archives.BrokenBackup):
        maintenance.restore_database(summary["name"])
    assert _rows(database) == {0: 4000}


def test_a_full_disk_fails_the_job_at_once(database: Path, settings: Settings) -> None:
    """SQLite has errors of its own for it; nothing is left of the archive."""
    child = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, check=True)
    assert child.stdout == f"no room in {settings.backups}: No space left on device; make room, or set BACKUP_FOLDER\n"
    assert [path.name for path in settings.backups.iterdir()] == [".database.lock"]


def test_a_database_that_is_not_there_is_not_made(settings: Settings, database: Path) -> None:
    """The job fails and says where it looked."""
    os.remove(database)
    with pytest.raises(archives.BackupError, match=r"records\.db does not exist"):
        maintenance.backup_database()
    assert not database.exists()
