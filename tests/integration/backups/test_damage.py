"""SQLite files with damage: rows that refer to nothing, and files that are no databases."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from project.integrations.backups import archives, database_dump
from project.integrations.backups.archives import BackupError
from project.integrations.backups.retention import Keep
from project.integrations.backups.sqlite_files import opened, sqlite_path
from project.integrations.database import history, migrations
from project.integrations.database.engine import transaction
from project.migrate import migrate
from project.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A database with one record."""
    settings = Settings(_env_file=None, run_dir=tmp_path)
    migrate(settings)
    with transaction(settings.database) as session:
        history.start(session, "one", "hello", "consumer")
    return settings


def _ignore(fraction: float, text: str) -> None:
    """Take a report of progress."""


def _back_up(settings: Settings) -> str:
    fill = partial(database_dump.write, settings.database, report=_ignore)
    return str(archives.make(settings.backups, "database", ".sqlite3", fill, Keep(3, 0, 0))["name"])


def _rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with transaction(settings.database) as session:
        return [tuple(row) for row in session.execute(text(query))]


def test_a_row_that_refers_to_a_missing_row_stops_neither_a_start_nor_a_restore(
    settings: Settings, newer_code: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other programs can leave such rows in SQLite; only a migration that would leave more of them is refused."""
    with opened(sqlite_path(settings.database), "mode=rw") as other_program:
        other_program.execute("CREATE TABLE mine (record TEXT PRIMARY KEY REFERENCES records (job_id))")
        other_program.execute("INSERT INTO mine VALUES ('one'), ('gone')")
    assert not migrate(settings)
    older = _back_up(settings)
    monkeypatch.setattr(migrations, "VERSIONS", newer_code)
    assert migrate(settings)
    database_dump.restore(settings, older, _ignore)
    assert _rows(settings, "SELECT record FROM mine ORDER BY record") == [("gone",), ("one",)]
    harm = "from alembic import op\nrevision, down_revision = '0004', '0003'\n\ndef upgrade():\n"
    (newer_code[1] / "0004_harm.py").write_text(f"{harm}    op.execute('DELETE FROM records')\n")
    with pytest.raises(ValueError, match="would leave a row of the table mine without its row of records"):
        migrate(settings)
    assert _rows(settings, "SELECT job_id FROM records") == [("one",)]


def _change(command: str, path: Path) -> None:
    with opened(path, "mode=rw") as connection:
        connection.execute(command)


def _overwrite(path: Path, data: bytes) -> None:
    path.write_bytes(data * (path.stat().st_size // len(data)))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 + 100])


@pytest.mark.parametrize(
    "harm", [partial(_overwrite, data=b"garbage"), partial(_overwrite, data=b"\0"), _cut], ids=["other", "zeros", "cut"]
)
def test_a_damaged_database_is_restored_once_it_is_moved_away(settings: Settings, harm: Callable[[Path], None]) -> None:
    """The message says that the database is damaged, not the backup, and what to do."""
    name, database = _back_up(settings), sqlite_path(settings.database)
    harm(database)
    with pytest.raises(BackupError, match=rf"{database} is damaged \(.*\): stop the stack, move this file"):
        database_dump.restore(settings, name, _ignore)
    for path in database.parent.glob(f"{database.name}*"):
        path.rename(database.parent / f"damaged-{path.name}")
    database_dump.restore(settings, name, _ignore)
    assert _rows(settings, "SELECT job_id FROM records") == [("one",)]


@pytest.mark.parametrize(
    "harm",
    [
        partial(_overwrite, data=b"garbage"),
        _cut,
        partial(_change, "ALTER TABLE alembic_version RENAME COLUMN version_num TO x"),
        partial(_change, "DROP TABLE alembic_version"),
        lambda archive: archive.write_bytes(b""),  # SQLite takes it for a database without tables
    ],
    ids=["other", "cut", "of another program", "never migrated", "empty"],
)
def test_an_archive_that_is_no_backup_of_this_database_is_refused(
    settings: Settings, harm: Callable[[Path], None]
) -> None:
    """With a sentence, and the database is unchanged."""
    name = _back_up(settings)
    archive = settings.backups / name
    harm(archive)
    archives.Backup(archive).sum_path.write_text(archives._sum_line(archives._sum(archive), name))
    with pytest.raises(BackupError, match=f"{name} is (damaged|not a backup of this stack)"):
        database_dump.restore(settings, name, _ignore)
    assert _rows(settings, "SELECT job_id FROM records") == [("one",)]


def test_a_database_that_cannot_be_written_is_a_sentence(settings: Settings) -> None:
    """A folder lies at its path."""
    name, database = _back_up(settings), sqlite_path(settings.database)
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()
    database.mkdir()
    with pytest.raises(BackupError, match=rf"cannot write {database}: unable to open database file"):
        database_dump.restore(settings, name, _ignore)
