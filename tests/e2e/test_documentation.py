"""The documentation, followed to the letter on a running stack."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from tests.reference.pages import pages
from tests.support.doc_reader import Reader
from tests.support.http import finished, submit
from tests.support.markdown import blocks
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

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


@pytest.fixture
def quiet_stack(stack: NativeStack) -> NativeStack:
    """The session's stack once no job of another test is on its way."""
    with Redis(port=int(stack.settings["REDIS_PORT"])) as redis:
        wait_until(lambda: not redis.exists("unacked", "cpu", "default"), 40, "no job is on its way")
    return stack


def _here(stack: NativeStack) -> dict[str, str]:
    """Return what is different from the pages here: ports, and that nothing is a terminal."""
    redis_cli = f"redis-cli --no-raw -p {stack.settings['REDIS_PORT']}"
    return {"8080": stack.settings["HTTP_PORT"], ".venv/bin/redis-cli": f"{Path(sys.prefix)}/bin/{redis_cli}"}


@pytest.mark.parametrize("page", ["docs/tutorial.md", "docs/how-to/scale-consumers.md"])
def test_a_newcomer_can_follow_the_page(newcomer: Newcomer, page: str) -> None:
    """Every command shows what the page shows; code that it adds works."""
    assert newcomer.follow(page) >= 3


@pytest.mark.parametrize("page", ["README.md", str(DELAY)])
def test_the_commands_of_the_page_show_what_it_shows(quiet_stack: NativeStack, page: str) -> None:
    """On a stack that runs already."""
    assert Reader(Path(), _here(quiet_stack)).follow(Path(page)) >= 2


def test_redis_sees_what_the_page_about_delay_says(quiet_stack: NativeStack) -> None:
    """A job makes the commands of its `monitor` block, in that order."""
    shown = next(block.text for block in blocks(DELAY) if block.language == "monitor")
    expected = [tuple(line.split()[:2]) for line in shown.splitlines()]
    keys = {key for _, key in expected}
    redis: Any = Redis(port=int(quiet_stack.settings["REDIS_PORT"]))
    with redis, redis.monitor() as monitor, quiet_stack.client() as http:
        job_id = submit(http, "sum", number=10)
        finished(http, "sum", job_id)
        seen = []
        while ("HDEL", "unacked") not in seen:
            step = tuple(monitor.next_command()["command"].replace(job_id, "<id>").split()[:2])
            seen += [step] if step[-1] in keys and step[0] not in LEFT_OUT else []
    assert seen == expected


def test_the_reference_is_what_the_code_says(http: httpx.Client) -> None:
    """`make reference` would change nothing."""
    for path, text in pages(http).items():
        assert path.read_text() == text, f"{path} is old: run make reference"
