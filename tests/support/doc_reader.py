"""A reader of the documentation: types what a page says, and expects to see what it shows.

In a page, a `console` block is a command after `$ ` and what it prints. Ids and times differ at every run: a UUID, a
time, a backup and a host name stand for any other, and from then on an id stands for the one really seen. `…` is any text.
A `python` or `js` block after a line "… to the end of `FILE`:" or "Create `FILE`:" goes into that file. Other languages
(`sh` for commands among them) are not run.
"""

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.env_file import env_file_of
from tests.support.markdown import Block, blocks
from tests.support.wait import wait_until

_VARYING = {
    "id": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=database-)\d{8}T\d{6}Z",
    "time": r"\d{4}-\d\d-\d\dT[\d:.]+Z",
    "seconds": r"\d{10}\.\d+",
    "host": r"(?<=@)[\w.-]+",
    "any": "…",
}
_SHOWN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _VARYING.items()))
# asking again does no harm, so the reader waits for an answer this way
_ASKS = ("curl http", "make redis-cli", "cat ")


def _ignore(*_: object) -> None:
    """Do nothing: a hook that the page does not need."""


@dataclass
class Reader:
    """Someone who follows a page in a folder.

    replace: words that are different here, such as ports. special: what to do for commands that begin so. sessions: what to
    do with blocks of other languages. on_block, before, after: called with each block, each command, and each command and
    its output.
    """

    folder: Path
    replace: dict[str, str]
    special: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    sessions: Mapping[str, Callable[[str], None]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    on_block: Callable[[Block], object] = _ignore
    before: Callable[[str], object] = _ignore
    after: Callable[[str, str], object] = _ignore

    def follow(self, page: Path) -> int:
        """Do what the page says from top to bottom; return how many commands that were."""
        commands = 0
        for block in blocks(page):
            self.on_block(block)
            if block.language in ("python", "js"):
                write_code(self.folder, block)
            if block.language in self.sessions:
                self.sessions[block.language](block.text)
            for command, shown in _commands(block):
                self._type(command, shown, block.where)
                commands += 1
        return commands

    def _type(self, command: str, shown: str, where: str) -> None:
        self.before(command)
        typed, pattern = self._as_here(command), self._pattern(self._as_here(shown))
        seen = ""

        def as_shown() -> re.Match[str] | None:
            nonlocal seen
            seen = self._run(typed).strip()
            return re.fullmatch(pattern, seen, re.DOTALL)

        try:
            match = wait_until(as_shown, 60 if command.startswith(_ASKS) else 0)
        except AssertionError:
            raise AssertionError(f"{where}\n$ {typed}\nshown:\n{shown}\nseen:\n{seen}") from None
        self.after(command, seen)
        if match:
            self.ids |= {group[3:].replace("_", "-"): value for group, value in match.groupdict().items()}

    def _run(self, command: str) -> str:
        for beginning, run in self.special.items():
            if command.startswith(beginning):
                return run(command)
        environment = os.environ | env_file_of(self.folder)
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            shell=True,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout or done.stderr

    def _as_here(self, text: str) -> str:
        for word, here in (self.replace | self.ids).items():
            text = text.replace(word, here)
        return text

    def _pattern(self, shown: str) -> str:
        """Return the regular expression of what may be seen; an id that is new is a group of it."""
        pattern, end = "", 0
        for varying in _SHOWN.finditer(shown):
            pattern += re.escape(shown[end : varying.start()])
            pattern += self._stands_for(str(varying.lastgroup), varying[0], pattern)
            end = varying.end()
        return pattern + re.escape(shown[end:])

    def _stands_for(self, kind: str, text: str, before: str) -> str:
        if kind == "any":
            return ".*"
        if kind != "id":
            return _VARYING[kind]
        if text in self.ids.values():
            return text
        group = f"id_{text.replace('-', '_')}"
        return f"(?P={group})" if f"(?P<{group}>" in before else f"(?P<{group}>{_VARYING[kind]})"


def _commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with what it prints; a command goes on after a backslash."""
    if block.language != "console":
        return
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        lines = part.split("\n")
        length = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\"))
        yield "\n".join(lines[:length]), "\n".join(lines[length:]).strip()


def write_code(folder: Path, block: Block) -> Path | None:
    """Put a block of code where the line before it says, and return that file, if the line names one."""
    if end_of := re.search(r"to the end of `(\S+)`:$", block.intro):
        path = folder / end_of[1]
        path.write_text(f"{path.read_text()}\n\n{block.text}")
        return path
    if new := re.search(r"Create `(\S+)`:$", block.intro):
        path = folder / new[1]
        path.write_text(block.text)
        return path
    return None
