"""The log file of the native stack is private and bounded, and never blocks the stack."""

import os
from pathlib import Path

import pytest

from project.native import output
from project.native.output import LogFile, Output


def test_a_log_file_is_its_owners_alone_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    """An existing log file with wider permissions is restricted to its owner."""
    path = tmp_path / "stack.log"
    path.write_bytes(b"first\n")
    path.chmod(0o644)
    LogFile(path).write(b"second\n")
    assert path.read_bytes() == b"first\nsecond\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_full_log_files_are_renamed_and_the_oldest_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text is cut in two; all files are their owner's alone."""
    monkeypatch.setattr(output, "FULL", 10)
    log = LogFile(tmp_path / "stack.log")
    for number in range(8):
        log.write(b"text %d\n" % number)
    names = ["stack.log", *(f"stack.log.{number}" for number in range(1, 5))]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [(tmp_path / name).read_bytes() for name in names] == [b"text %d\n" % number for number in (7, 6, 5, 4, 3)]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_halted_terminal_does_not_stop_the_log_file(tmp_path: Path) -> None:
    """The pipe that stands in for the terminal is never read, but the log file has all lines."""
    reading, writing = os.pipe()
    log = tmp_path / "stack.log"
    both = Output(["part"], tmp_path, writing)
    for _ in range(3):
        both.line("part", b"x" * 60_000)
    both.say("the end")
    both.close(0.2)
    lines = log.read_text().splitlines()
    assert [len(line) for line in lines[:3]] == [len("2026-11-27 05:00:00.000 part | ") + 60_000] * 3
    assert lines[3:] == ["the end"]
    os.close(reading)  # ends the writing thread, which would otherwise keep this process alive
    os.close(writing)
