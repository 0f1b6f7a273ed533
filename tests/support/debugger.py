"""Type what a `pdb` block of a page shows into a real debugger."""

import re

from tests.support.stack import NativeStack
from tests.support.terminal import Terminal

PROMPT = "(Pdb) "


def debug(stack: NativeStack, block: str) -> None:
    """Run the block's command, type the block's answer at each prompt, compare the output, then press Ctrl-C."""
    command, _, session = block.partition("\n")
    terminal = Terminal(stack, *command.removeprefix("$ make ").split())
    try:
        for answer in session.split(PROMPT)[1:]:
            typed, _, shown = answer.partition("\n")
            _expect(terminal, PROMPT)
            terminal.type(f"{typed}\n")
            _expect(terminal, shown.strip())
        _expect(terminal, "success job_id=")
    finally:
        terminal.type("\x03")
        terminal.wait()


def _expect(terminal: Terminal, text: str) -> None:
    """Wait until the terminal shows a text; keep the output after it for the next call."""
    terminal.read(30, until=text)
    assert text in terminal.seen, terminal.seen
    terminal.seen = re.split(re.escape(text), terminal.seen, maxsplit=1)[1] if text else terminal.seen
