"""SQLite files with damage: rows that refer to nothing, and files that are no databases."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from project.integrations.backups import archives, database_dump
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
