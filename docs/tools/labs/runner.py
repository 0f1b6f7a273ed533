"""Follow a lab in a copy of the project, on a stack of its own, and check that its phenomenon occurs."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from docs.tools.labs import checks
from docs.tools.labs.lab import SECTIONS, Lab
from project.settings import Settings
from tests.support.markdown import Block
from tests.support.newcomer import Newcomer

# what a lab needs besides a small stack: Flower and Locust are not started, which saves seconds
NEEDS: dict[str, dict[str, str]] = {"mail": {"SMTP_HOST": "", "NOTIFICATION_CONSUMERS": "1"}, "stack": {}}


class Runner:
    """A student who does one lab after the other, in one copy of the project.

    say: prints a line. pause: called before each command. observe: called with the lab and the URL of its stack when the
    reader should look at the page.
    """

    def __init__(
        self,
        folder: Path,
        say: Callable[[str], None] = print,
        pause: Callable[[], object] = bool,
        **settings: str,
    ) -> None:
        self._student = Newcomer(folder, **settings)
        self._say, self._pause = say, pause
        self.observe: Callable[[Lab, str], object] = lambda lab, url: None  # noqa: ARG005
        self._numbers: dict[str, float] = {}

    def run(self, lab: Lab) -> float:
        """Do a lab from Run to Reset; return the seconds. Raise AssertionError if anything differs from its text."""
        begun, before = time.monotonic(), self._files()
        self._numbers = {}
        reader = self._student.reader(
            sessions={"check": self._check},
            on_block=partial(self._read_prose, lab),
            before=self._before,
            after=self._after,
        )
        self._student.needs = NEEDS[lab.front["needs"]]
        try:
            reader.follow(lab.path)
        finally:
            self._student.stop()
        changed = self._files() ^ before
        assert not changed, f"{lab.path}: after Reset these files differ: {sorted(changed)}"
        return time.monotonic() - begun

    def close(self) -> None:
        """Stop the stack, if a lab was interrupted."""
        self._student.stop()

    def _read_prose(self, lab: Lab, block: Block) -> None:
        if "## Observe" in block.prose:
            self.observe(lab, self._student.stack.url)
        self._show_prose(block)

    def _show_prose(self, block: Block) -> None:
        lines = [line for line in block.prose.splitlines() if not line.startswith("#") or line[3:] in SECTIONS]
        section = block.prose.rpartition("## Run")[2] if "## Run" in block.prose else "\n".join(lines)
        self._say(f"\n{section.strip()}\n")
        if block.language in ("python", "js"):
            self._say(block.text)

    def _before(self, command: str) -> None:
        self._say(f"$ {command}")
        self._pause()

    def _after(self, command: str, output: str) -> None:
        if command.startswith("make up"):
            output = "  Glassqueue is up."
            given = self._student.stack.settings
            settings = Settings.model_validate({name.lower(): value for name, value in given.items()})
            self._numbers |= {name.upper(): value for name, value in settings if isinstance(value, int | float)}
        self._numbers |= checks.numbers(output)
        self._say(output)

    def _check(self, block: str) -> None:
        for line in checks.check(block, self._numbers):
            self._say(f"  holds: {line}")

    def _files(self) -> set[tuple[str, int]]:
        """Return the files of the copy with their sizes, without those that Python writes."""
        found = [path for path in self._student.folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        return {(str(path.relative_to(self._student.folder)), path.stat().st_size) for path in found}
