"""What the doctor says about the database."""

from pathlib import Path

import pytest

from project.health import database_check
from project.settings import Settings


@pytest.mark.parametrize("damaged", [False, True])
def test_a_sqlite_file_is_not_started(tmp_path: Path, damaged: bool) -> None:
    """Unlike a server: the stack creates it, or a backup replaces it."""
    if damaged:
        (tmp_path / "run").mkdir()
        (tmp_path / "run/records.db").write_text("no database " * 100)
    check = database_check.check(Settings(_env_file=None, run_dir=tmp_path / "run"))
    assert (check.state, check.cure) == (
        "failed",
        "start the stack, which creates it; if it is damaged, restore a backup",
    )
