"""The page about backups, followed to the letter by a newcomer."""

import sqlite3
from pathlib import Path

import pytest

from tests.support.newcomer import Newcomer

pytestmark = pytest.mark.heavy


def test_a_newcomer_can_back_up_and_restore(tmp_path: Path) -> None:
    """Every command shows what the page shows, and the database is what it was."""
    (tmp_path / "run").mkdir()
    database = sqlite3.connect(tmp_path / "run/records.db", isolation_level=None)
    database.execute("CREATE TABLE mine AS SELECT 1 AS number")
    newcomer = Newcomer(tmp_path)
    try:
        assert newcomer.follow("docs/how-to/back-up.md", MAINTENANCE_CONSUMERS="1") >= 6
    finally:
        newcomer.stop()
    assert database.execute("SELECT number FROM mine").fetchall() == [(1,)]
    database.close()
