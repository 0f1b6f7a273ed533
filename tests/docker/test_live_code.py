"""Live code in containers: docker-compose.dev.yml."""

import httpx
import pytest

from tests.support.compose import ComposeStack, docker
from tests.support.http import finished, submit
from tests.support.wait import wait_until

pytestmark = pytest.mark.timeout(900)
FILES = ("-f", "docker-compose.yml", "-f", "docker-compose.dev.yml")
LIVE = ("producer", "consumer")
BLOCK = """\
glassqueue: cannot load the changed code: project/celery_config/tasks/demo.py, line {number}:
    def broken(
SyntaxError: '(' was never closed
The running processes keep the old code until this error is fixed.
"""


def test_changed_code_runs_in_containers_and_broken_code_stops_nothing(stack: ComposeStack, http: httpx.Client) -> None:
    """The containers stay; only the processes in them are replaced."""
    tasks = stack.folder / "project/celery_config/tasks/demo.py"
    text = tasks.read_text()
    try:
        stack.compose(*FILES, "up", "--wait", "--no-deps", "--timeout=5", *LIVE)
        containers = _containers(stack)
        # a process waits for a change once the code is watched
        wait_until(lambda: all("warm.py" in _processes(stack, service) for service in LIVE), 120, "warm.py")
        tasks.write_text(f"{text}def broken(\n")
        _wait_for(containers, BLOCK.format(number=len(text.splitlines()) + 1))
        assert finished(http, "sum", submit(http, "sum", number=10))["result"] == 55
        tasks.write_text(text.replace("return total", "return -total"))
        _wait_for(containers, "glassqueue: restarted in")
        assert finished(http, "sum", submit(http, "sum", number=10))["result"] == -55
        assert _containers(stack) == containers
    finally:
        tasks.write_text(text)
        stack.compose("up", "--wait", "--no-deps", "--timeout=5", *LIVE)


def _containers(stack: ComposeStack) -> list[str]:
    return [container["Id"] for service in LIVE for container in stack.containers(service)]


def _wait_for(containers: list[str], text: str) -> None:
    wait_until(lambda: all(text in docker("logs", container) for container in containers), 120, text)


def _processes(stack: ComposeStack, service: str) -> str:
    return stack.execute(service, r"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' '")
