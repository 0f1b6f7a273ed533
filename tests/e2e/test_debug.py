"""`make debug` when it cannot start, and breakpoint() without a terminal; test_pages.py covers the working cases."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.doc_reader import write_code
from tests.support.http import finished, submit
from tests.support.markdown import blocks
from tests.support.newcomer import NOT_COPIED
from tests.support.stack import NativeStack


def _debug(*queues: str, **settings: str) -> str:
    """Run what `make debug` runs, and return why it does not start."""
    command = [sys.executable, "-m", "project.debug", *queues]
    run = subprocess.run(
        command,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert run.returncode == 1, run.stdout
    return run.stderr


@pytest.mark.parametrize("queues", [["cpu"], ["default,cpu"], ["default", "cpu"]])
def test_a_queue_that_has_consumers_is_left_to_them(stack: NativeStack, queues: list[str]) -> None:
    """They would take the job; the message names them and says how to stop them."""
    said = _debug(*queues, **stack.settings)
    assert said.startswith("glassqueue: consumer.1@")
    assert "make up CONSUMERS=0" in said


def test_a_missing_queue_or_redis_is_reported_in_one_line(stack: NativeStack) -> None:
    """No queue is given, the queue does not exist, or Redis does not answer."""
    assert _debug(**stack.settings) == "glassqueue: QUEUE is missing: name a queue, such as make debug QUEUE=cpu\n"
    assert "no queue is called 'gpu'" in _debug("gpu", **stack.settings)
    assert "Redis does not answer" in _debug("cpu", REDIS_PORT="1")


@pytest.mark.heavy
@pytest.mark.parametrize("pool", ["forked", "prefork", "threads", "solo"])
def test_a_breakpoint_without_a_terminal_fails_the_job_and_says_why(tmp_path: Path, pool: str) -> None:
    """Python's debugger would end the job with a BdbQuit, and the consumer goes on."""
    copy = tmp_path / "glassqueue"
    shutil.copytree(".", copy, ignore=NOT_COPIED)
    for block in blocks(Path("docs/how-to/debug-a-task.md")):
        write_code(copy, block)
    stack = NativeStack(tmp_path / "run", copy, CONSUMER_POOL=pool, SHUTDOWN_TIMEOUT="1")
    with stack, stack.client() as client:
        error = finished(client, "mean", submit(client, "mean", numbers=[1, 2, 6]))["error"]
        assert error["type"] == "RuntimeError"
        assert "breakpoint() needs a terminal" in error["message"]
        assert finished(client, "sum", submit(client, "sum", number=10))["result"] == 55
