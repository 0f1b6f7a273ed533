"""The documentation, followed to the letter on a running stack."""

from pathlib import Path
from typing import Any

import pytest

from docs.tools.reference.pages import pages
from tests.support.doc_reader import Reader
from tests.support.events import CHANNEL
from tests.support.http import finished, submit
from tests.support.markdown import blocks
from tests.support.newcomer import here
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

# of its own: the pages show what happens when no other job is on its way
pytestmark = pytest.mark.stack(SHUTDOWN_TIMEOUT=1)
DELAY = Path("docs/explanation/delay.md")


@pytest.mark.parametrize("page", ["README.md", pytest.param(str(DELAY), marks=pytest.mark.heavy)])
def test_the_commands_of_the_page_show_what_it_shows(stack: NativeStack, page: str) -> None:
    """On a stack that runs already."""
    assert Reader(Path(), here(stack)).follow(Path(page)) >= 2


def test_redis_sees_what_the_page_about_delay_says(stack: NativeStack) -> None:
    """A job is the scripts of the `monitor` blocks, one after the other, each with just these commands."""
    shown = [block.text.splitlines() for block in blocks(DELAY) if block.language == "monitor"]
    expected = [[line.partition("   ")[0] for line in lines] for lines in shown]
    seen = wait_until(lambda: _scripts_of_a_job(stack, len(expected)), what="a slot asks for one job")
    for commands, script in zip(expected, seen, strict=True):
        keys = {command.split()[1] for command in commands}
        of_this_job = [command for command in script if command.split(" ")[1:2] and command.split(" ")[1] in keys]
        assert len(of_this_job) == len(commands), of_this_job
        for command, beginning in zip(of_this_job, commands, strict=True):
            assert command.startswith(beginning)


def _scripts_of_a_job(stack: NativeStack, count: int) -> list[list[str]]:
    """Return the commands of the first scripts that have to do with a job, the job's id replaced.

    Return nothing if a slot asked for several jobs, as it does for a moment after it has fetched some.
    """
    redis: Any = stack.redis()
    wait_until(lambda: not redis.exists("bell:cpu", "bell:default", "leases:cpu", "leases:default"))
    with redis, redis.monitor() as monitor, stack.client() as http:
        job_id = submit(http, "sum", number=10)
        finished(http, "sum", job_id)
        scripts: list[list[str]] = [[]]
        while sum(map(_is_of_the_job, scripts[:-1])) < count:
            command = monitor.next_command()
            if command["client_type"] == "lua":
                scripts[-1].append(command["command"].replace(job_id, "<id>"))
            else:
                scripts.append([])
    found = [script for script in scripts[:-1] if _is_of_the_job(script)]
    return [] if any(script.count("RPOP cpu") > 1 for script in found) else found


def _is_of_the_job(script: list[str]) -> bool:
    """Tell whether a script moves the job; a GET, the renewal of its lease and Celery's events may come at any time."""
    if any(command.startswith(f"PUBLISH {CHANNEL} ") for command in script):
        return False
    return "<id>" in str(script) and not {"HGETALL job:<id>", "HMGET job:<id> token status left"} & set(script)


@pytest.mark.heavy
def test_the_reference_is_what_the_code_says(stack: NativeStack) -> None:
    """`make reference` would change nothing."""
    with stack.client() as http:
        written = pages(http)
    for path, text in written.items():
        assert path.read_text() == text, f"{path} is old: run make reference"
