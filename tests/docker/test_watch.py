"""`docker-compose.watch.yml` runs changed code in containers."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.compose import ComposeStack
from tests.support.http import finished, submit
from tests.support.wait import wait_until

pytestmark = pytest.mark.timeout(900)
FILES = ("docker-compose.yml", "docker-compose.watch.yml")


@pytest.fixture
def watched(project: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """A stack that Compose watches."""
    stack = ComposeStack(tmp_path_factory.mktemp("watch"), f"{project}-watch", None, *FILES)
    try:
        stack.up("--build")
        yield stack
    finally:
        stack.down()


def test_a_new_task_runs_in_containers_as_soon_as_it_is_saved(watched: ComposeStack) -> None:
    """Compose copies the file into producer and consumers, and restarts them."""
    environment = {**os.environ, "COMPOSE_PROJECT_NAME": watched.name, "HTTP_PORT": str(watched.port)}
    command = ["docker", "compose", *(word for file in FILES for word in ("-f", file)), "watch", "--no-up"]
    with subprocess.Popen(
        command, cwd=watched.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as watching:
        try:
            assert watching.stdout
            printed = ""
            while "Watch enabled" not in printed:
                line = watching.stdout.readline()
                assert line, printed
                printed += line
            tasks = watched.folder / "project/celery_config/tasks/demo.py"
            tasks.write_text(tasks.read_text().replace("return total", "return -total"))
            with watched.client() as http:
                wait_until(lambda: _result(http) == -55, 120)
        finally:
            watching.terminate()


def _result(http: object) -> object:
    """Return the result of a sum, or None while the producer restarts."""
    try:
        return finished(http, "sum", submit(http, "sum", number=10), timeout=30)["result"]  # type: ignore[arg-type]
    except (AssertionError, OSError):
        return None
