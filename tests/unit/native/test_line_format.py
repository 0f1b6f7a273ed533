"""The lines of all programs have one format."""

import os
import pty
from datetime import datetime

import pytest

from project.native.line_format import LineFormat, wants_colour, without_clock

NOW = datetime(2026, 11, 27, 5, 4, 3, 21_000)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (b"2026-11-27 05:04:03,020 INFO glassqueue.job: started", b"INFO glassqueue.job: started"),
        (b"[2026-11-27 05:04:03,020] vm/INFO/locust.main: Starting", b"vm/INFO/locust.main: Starting"),
        (b"123:M 27 Nov 2026 05:04:03.020 * Ready to accept connections tcp", b"Ready to accept connections tcp"),
        (b"2026/11/27 05:04:03 [error] 12#12: no such file", b"[error] 12#12: no such file"),
        (b"2026-11-27 is a day", b"2026-11-27 is a day"),
        (b"", b""),
    ],
)
def test_the_time_that_a_program_writes_itself_is_left_out(written: bytes, text: bytes) -> None:
    """Each line has the time of the launcher instead; other text that begins with a number stays."""
    assert without_clock(written) == text


def test_a_line_of_the_file_has_the_date_and_one_of_the_terminal_the_time() -> None:
    """The names of the parts are in one column."""
    lines = LineFormat(["redis", "scheduler"])
    line = lines.line(NOW, "redis", b"a | b")
    assert line == b"2026-11-27 05:04:03.021 redis     | a | b"
    assert lines.for_terminal(line, colour=False) == b"05:04:03 redis     | a | b"


def test_each_part_has_a_colour_of_its_own() -> None:
    """Only time and name are coloured."""
    lines = LineFormat(["redis", "scheduler"])
    shown = [lines.for_terminal(lines.line(NOW, name, b"text"), colour=True) for name in ("redis", "scheduler")]
    assert shown == [b"\x1b[36m05:04:03 redis    \x1b[0m | text", b"\x1b[33m05:04:03 scheduler\x1b[0m | text"]


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_only_a_terminal_without_no_color_is_coloured(
    environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe is never coloured."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    reading, writing = os.pipe()
    terminal, other = pty.openpty()
    assert wants_colour(terminal) is coloured
    assert not wants_colour(writing)
    for file in (reading, writing, terminal, other):
        os.close(file)
