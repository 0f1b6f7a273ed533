"""The Python code of the pages passes the checks that `make lint` makes of ours."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.doc_reader import write_code
from tests.support.markdown import Block, blocks, pages
from tests.support.newcomer import NOT_COPIED

CACHE = Path(".mypy_cache")
PYTHON = [block for page in pages() for block in blocks(page) if block.language in ("python", "py")]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A copy of the project in which all pages were followed, and the files that they have written."""
    copy = tmp_path_factory.mktemp("followed") / "glassqueue"
    shutil.copytree(".", copy, ignore=NOT_COPIED)
    if CACHE.exists():  # of `make lint`: without it mypy reads all libraries anew
        shutil.copytree(CACHE, copy / CACHE)
    written = [write_code(copy, block) for block in PYTHON]
    return copy, sorted({str(path.relative_to(copy)) for path in written if path})


@pytest.mark.parametrize("check", [("ruff", "check"), ("ruff", "format", "--check"), ("mypy",)], ids=" ".join)
def test_the_files_that_pages_write_pass_lint(followed: tuple[Path, list[str]], check: tuple[str, ...]) -> None:
    """A newcomer who follows the pages can go on with `make lint`."""
    copy, written = followed
    assert len(written) >= 6
    run = subprocess.run([*check, *written], cwd=copy, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def _where(block: Block) -> str:
    return block.where


@pytest.mark.parametrize("block", PYTHON, ids=_where)
def test_code_that_a_page_shows_is_in_our_style(block: Block) -> None:
    """Also what is only a part of a file: it may use names that are imported elsewhere, and needs no docstring."""
    name = ("--stdin-filename", "project/shown.py", "-")
    for check in (("check", "--extend-ignore=F821,D100"), ("format", "--check")):
        command = [sys.executable, "-m", "ruff", *check, *name]
        run = subprocess.run(command, input=block.text, capture_output=True, text=True, check=False)
        assert run.returncode == 0, f"{block.where}\n{run.stdout}{run.stderr}"
