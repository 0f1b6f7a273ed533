"""The list of parts that `make up` shows while it starts."""

import os
import pty

import pytest

from project.native.output import Output
from project.native.progress import Progress

NAMES = [f"consumer.{number}" for number in range(30)]


@pytest.mark.parametrize(("height", "in_place"), [(24, False), (31, True)])
def test_a_list_that_is_higher_than_the_terminal_is_not_redrawn(
    monkeypatch: pytest.MonkeyPatch, height: int, in_place: bool
) -> None:
    """As with CONSUMERS=100: the cursor cannot go back to its first line, so every change would show all of it again."""
    monkeypatch.setenv("LINES", str(height))
    reading, terminal = pty.openpty()
    output = Output(NAMES, stdout=terminal)
    progress = Progress(NAMES, output)
    progress.begin()
    for name in NAMES[:2]:
        progress.ready(name)
    output.close()
    shown = os.read(reading, 65536).decode()
    os.close(terminal)
    os.close(reading)
    assert ("\x1b[30A" in shown) == in_place
    assert (shown.count("\n") == 2) == (not in_place)
