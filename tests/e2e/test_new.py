"""Services that `make new` has made: they start, and their tests pass."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

MAKE = [sys.executable, "-m", "docs.tools.new"]
LOAD = "from project import consumer, producer; producer.create_app()"


@pytest.mark.parametrize("without", ["", "mail,reminders,backups,records"])
def test_a_new_service_passes_its_tests(tmp_path: Path, without: str) -> None:
    """Style, types, and a stack of its own that runs its example task."""
    folder = _make(tmp_path, without)
    for command in (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"], ["pytest", "tests"]):
        run = _run(folder, "-m", *command)
        assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("without", ["mail", "reminders", "backups", "backups,records"])
def test_each_part_can_be_left_out_alone(tmp_path: Path, without: str) -> None:
    """Producer and consumer load what is left."""
    run = _run(_make(tmp_path, without), "-c", LOAD)
    assert run.returncode == 0, run.stdout + run.stderr


def test_nothing_in_a_new_service_has_another_name(tmp_path: Path) -> None:
    """Only its README and changelog say where it comes from."""
    folder = _make(tmp_path, "mail")
    texts = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert len(texts) > 200
    named = {path.name for path, text in texts.items() if re.search("glassqueue", text, re.IGNORECASE)}
    assert named == {"README.md", "CHANGELOG.md"}


def _make(folder: Path, without: str) -> Path:
    subprocess.run([*MAKE, str(folder / "myservice"), "myservice", without], check=True)
    return folder / "myservice"


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    hidden = ("GLASSQUEUE_ENV_FILE", "PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["RUN_DIR"] = str(folder / "run")
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
