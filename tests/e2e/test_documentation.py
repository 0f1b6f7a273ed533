"""The documentation, followed to the letter on a running stack."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.reference.pages import pages
from tests.support.doc_reader import Reader
from tests.support.http import finished, submit
from tests.support.markdown import blocks
from tests.support.stack import NativeStack

DELAY = Path("docs/explanation/delay.md")
# what the page leaves out, and what looks at a job without being part of its way
LEFT_OUT = {"BRPOP", "LLEN", "HGETALL", "ZRANGE"}
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".run", "__pycache__", ".*_cache", ".env")


class Newcomer:
    """Someone with a fresh copy of the project, who starts and restarts the stack as a page says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "glassqueue"
        shutil.copytree(".", self.folder, ignore=NOT_COPIED)
        (self.folder / ".venv").symlink_to(sys.prefix)
        self._stack = NativeStack(folder / "run", folder=self.folder, SHUTDOWN_TIMEOUT="1")
        self._running = False

    def follow(self, page: str) -> int:
        """Follow a page in the copy; return the number of commands."""
        reader = Reader(self.folder, _here(self._stack), {"make up": self._make_up})
        return reader.follow(self.folder / page)

    def stop(self) -> None:
        """Stop the stack, if it runs."""
        if self._running:
            self._stack.stop()
        self._running = False

    def _make_up(self, command: str) -> str:
        """Do what `make up NAME=value` does, after Ctrl-C if it runs already; return what it prints."""
        self.stop()
        self._stack.settings |= dict(word.split("=") for word in command.split()[2:])
        self._stack.start()
        self._running = True
        return self._stack.log


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    """A newcomer whose stack is stopped at the end."""
    newcomer = Newcomer(tmp_path)
    yield newcomer
    newcomer.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    """A stack of the module's own: the pages show what happens when no other job is on its way."""
    stack = NativeStack(tmp_path_factory.mktemp("documentation") / "run", SHUTDOWN_TIMEOUT="1").start()
    yield stack
    stack.stop()


def _here(stack: NativeStack) -> dict[str, str]:
    """Return what is different from the pages here: ports, and that nothing is a terminal."""
    redis_cli = f"redis-cli --no-raw -p {stack.settings['REDIS_PORT']}"
    return {"8080": stack.settings["HTTP_PORT"], ".venv/bin/redis-cli": f"{Path(sys.prefix)}/bin/{redis_cli}"}


@pytest.mark.parametrize("page", ["docs/tutorial.md", "docs/how-to/scale-consumers.md"])
def test_a_newcomer_can_follow_the_page(newcomer: Newcomer, page: str) -> None:
    """Every command shows what the page shows; code that it adds works."""
    assert newcomer.follow(page) >= 3


@pytest.mark.parametrize("page", ["README.md", str(DELAY)])
def test_the_commands_of_the_page_show_what_it_shows(stack: NativeStack, page: str) -> None:
    """On a stack that runs already."""
    assert Reader(Path(), _here(stack)).follow(Path(page)) >= 2


def test_redis_sees_what_the_page_about_delay_says(stack: NativeStack) -> None:
    """A job makes the commands of the two `monitor` blocks, each in its order; they overlap in time."""
    shown = [block.text.splitlines() for block in blocks(DELAY) if block.language == "monitor"]
    to_come = [[line.partition("   ")[0] for line in lines] for lines in shown]
    keys = {command.split()[1] for commands in to_come for command in commands}
    redis: Any = Redis(port=int(stack.settings["REDIS_PORT"]))
    with redis, redis.monitor() as monitor, stack.client() as http:
        job_id = submit(http, "sum", number=10)
        finished(http, "sum", job_id)
        while any(to_come):
            seen = monitor.next_command()["command"].replace(job_id, "<id>")
            name, _, rest = seen.partition(" ")
            if name not in LEFT_OUT and rest.split(" ")[0] in keys:
                whose = [commands for commands in to_come if commands and seen.startswith(commands[0])]
                assert whose, f"not on the page, or not in this place: {seen}"
                whose[0].pop(0)


def test_the_reference_is_what_the_code_says(stack: NativeStack) -> None:
    """`make reference` would change nothing."""
    with stack.client() as http:
        written = pages(http)
    for path, text in written.items():
        assert path.read_text() == text, f"{path} is old: run make reference"
