"""Compiled code for the processes that a change restarts."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from project.native.bytecode import store


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The source of a loaded module, whose VALUE is 1."""
    source = tmp_path / "changing.py"
    source.write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # as the processes have it
    import_module("changing")
    yield source
    del sys.modules["changing"]


def _value(source: Path) -> str:
    """Return the value that a process sees which writes no compiled files."""
    environment = os.environ | {"PYTHONPATH": str(source.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", "import changing; print(changing.VALUE)"]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def test_a_change_of_the_same_time_and_size_is_noticed(source: Path) -> None:
    """Python's own compiled files would hide it."""
    store()
    before = source.stat()
    source.write_text("VALUE = 2\n")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _value(source) == "2"


def test_only_what_has_changed_is_compiled_again(source: Path) -> None:
    """Other compiled files stay as they are, and are used."""
    store()
    compiled = Path(cache_from_source(str(source)))
    before = compiled.stat().st_ino
    store()
    assert compiled.stat().st_ino == before
    source.write_text("VALUE = 3\n")
    store()
    assert compiled.stat().st_ino != before


def test_a_folder_that_cannot_be_written_is_no_error(source: Path) -> None:
    """As in a container; here a file is where the folder would be."""
    (source.parent / "__pycache__").write_text("")
    store()
    assert _value(source) == "1"
