"""The documentation, followed to the letter on a running stack."""

import os
import re
import shlex
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
from tests.support.wait import wait_until

DELAY = Path("docs/explanation/delay.md")
PAGES_OF_A_NEWCOMER = ["docs/tutorial.md", "docs/how-to/scale-consumers.md", "docs/how-to/compare-with-stock.md"]
PAGES_OF_A_NEWCOMER += ["docs/how-to/retry-safely.md", "docs/how-to/chain-tasks.md"]
PAGES_OF_A_NEWCOMER += ["docs/how-to/choose-ids-and-wait.md", "docs/how-to/use-the-client.md"]
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
        reader = Reader(self.folder, _here(self._stack), {"make up": self._make_up, "pkill": self._pkill})
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

    def _pkill(self, command: str) -> str:
        """Kill what `pkill -KILL --oldest --full PATTERN` finds, looking at this stack only."""
        *options, pattern = shlex.split(command)
        assert options == ["pkill", "-KILL", "--oldest", "--full"]
        found = [process for process in self._stack.processes() if re.search(pattern, " ".join(process.cmdline()))]
        min(found, key=lambda process: process.create_time()).kill()
        return ""


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
    ports = {"8080": stack.settings["HTTP_PORT"], "127.0.0.1:6379": f"127.0.0.1:{stack.settings['REDIS_PORT']}"}
    client = ".venv/bin/python -m project.client"
    return ports | {
        ".venv/bin/redis-cli": f"{Path(sys.prefix)}/bin/{redis_cli}",
        client: f"GLASSQUEUE_URL={stack.url} {client}",
    }


@pytest.mark.parametrize("page", PAGES_OF_A_NEWCOMER)
def test_a_newcomer_can_follow_the_page(newcomer: Newcomer, page: str) -> None:
    """Every command shows what the page shows; code that it adds works."""
    assert newcomer.follow(page) >= 3


def test_a_newcomer_can_submit_from_other_languages(newcomer: Newcomer) -> None:
    """From a shell, from Node and from another project with Celery."""
    if not shutil.which("node"):
        reason = "needs node"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    assert newcomer.follow("docs/how-to/submit-from-other-languages.md") == 9


@pytest.mark.parametrize("page", ["README.md", str(DELAY)])
def test_the_commands_of_the_page_show_what_it_shows(stack: NativeStack, page: str) -> None:
    """On a stack that runs already."""
    assert Reader(Path(), _here(stack)).follow(Path(page)) >= 2


def test_redis_sees_what_the_page_about_delay_says(stack: NativeStack) -> None:
    """A job is the scripts of the `monitor` blocks, one after the other, each with just these commands."""
    shown = [block.text.splitlines() for block in blocks(DELAY) if block.language == "monitor"]
    expected = [[line.partition("   ")[0] for line in lines] for lines in shown]
    seen = _scripts_of_a_job(stack, len(expected))
    for commands, script in zip(expected, seen, strict=True):
        keys = {command.split()[1] for command in commands}
        of_this_job = [command for command in script if command.split(" ")[1:2] and command.split(" ")[1] in keys]
        assert len(of_this_job) == len(commands), of_this_job
        for command, beginning in zip(of_this_job, commands, strict=True):
            assert command.startswith(beginning)


def _scripts_of_a_job(stack: NativeStack, count: int) -> list[list[str]]:
    """Return the commands of the first scripts that have to do with a job, the job's id replaced."""
    redis: Any = Redis(port=int(stack.settings["REDIS_PORT"]))
    wait_until(lambda: not redis.exists("bell:cpu", "bell:default", "leases:cpu", "leases:default"))
    with redis, redis.monitor() as monitor, stack.client() as http:
        job_id = submit(http, "sum", number=10)
        finished(http, "sum", job_id)
        scripts: list[list[str]] = [[]]
        while sum("<id>" in str(script) for script in scripts[:-1]) < count:
            command = monitor.next_command()
            if command["client_type"] == "lua":
                scripts[-1].append(command["command"].replace(job_id, "<id>"))
            else:
                scripts.append([])
    return [script for script in scripts if "<id>" in str(script)]


def test_the_reference_is_what_the_code_says(stack: NativeStack) -> None:
    """`make reference` would change nothing."""
    with stack.client() as http:
        written = pages(http)
    for path, text in written.items():
        assert path.read_text() == text, f"{path} is old: run make reference"
