"""What the doctor says about the database."""

import shutil
from pathlib import Path

import pytest

from project.health import database_check
from project.integrations.backups import postgres_dump
from project.settings import Settings
from tests.support.ports import free_port


@pytest.mark.parametrize("damaged", [False, True])
def test_a_sqlite_file_is_not_started(tmp_path: Path, damaged: bool) -> None:
    """Unlike a server: the stack creates it, or a backup replaces it."""
    if damaged:
        (tmp_path / "run").mkdir()
        (tmp_path / "run/records.db").write_text("no database " * 100)
    check = database_check.check(Settings(_env_file=None, run_dir=tmp_path / "run"))
    assert (check.state, check.cure) == (
        "failed",
        "start the stack, which creates it if it is missing; if it is damaged, restore a backup",
    )


@pytest.mark.skipif(not (shutil.which("pg_dump") and shutil.which("psql")), reason="PostgreSQL's clients are missing")
def test_a_postgresql_that_does_not_answer_is_one_line() -> None:
    """As every finding is; psql adds a question on a second one."""
    url = f"postgresql://ann:hunter2@127.0.0.1:{free_port()}/jobs"
    for check in (database_check.check, postgres_dump.check):
        found = check(Settings(_env_file=None, database_url=url))
        assert (found.state, found.found.count("\n")) == ("failed", 0)
        assert "Connection refused" in found.found and "hunter2" not in str(found)
