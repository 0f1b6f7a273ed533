"""`make dev`: changed code runs as soon as it is saved, and broken code stops nothing."""

import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.http import finished, submit
from tests.support.newcomer import NOT_COPIED
from tests.support.stack import NativeStack
from tests.support.terminal import alive
from tests.support.wait import wait_until

pytestmark = pytest.mark.heavy

AVERAGE = '''

@shared_task(route="average")
def average(numbers: list[float]) -> float:
    """Return the mean of the numbers."""
    return sum(numbers) / len(numbers)
'''


@contextmanager
def accepted_meanwhile(http: httpx.Client) -> Iterator[list[int]]:
    """Submit jobs all the time; the list has the status of each response."""
    statuses: list[int] = []
    ended = threading.Event()

    def submit_all_the_time() -> None:
        while not ended.wait(0.05):
            statuses.append(http.post("/producer/api/sum", json={"number": 1}).status_code)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(submit_all_the_time)
        try:
            yield statuses
        finally:
            ended.set()
    running.result()


class Project:
    """A copy of the project with a module of tasks that a test changes, and the stack that runs it."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(".", folder / "glassqueue", ignore=NOT_COPIED)
        self.tasks = folder / "glassqueue/project/celery_config/tasks/demo.py"
        self.stack = NativeStack(folder / "run", folder=folder / "glassqueue", RELOAD="1", SHUTDOWN_TIMEOUT="2")

    def save(self, text: str, then: str) -> None:
        """Save the module, and wait until the launcher prints a text."""
        seen = len(self.stack.log)
        self.tasks.write_text(text)
        wait_until(lambda: then in self.stack.log[seen:], 30, then)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A running stack on a copy of the project."""
    project = Project(tmp_path_factory.mktemp("reload"))
    with project.stack:
        wait_until(lambda: project.stack.pids("warm.py"), what="the launcher watches the code")
        yield project


def test_a_new_task_can_be_used_as_soon_as_it_is_saved(project: Project) -> None:
    """A job that runs meanwhile finishes in its old process; no request fails; the line names the changed file."""
    with project.stack.client() as http, accepted_meanwhile(http) as statuses:
        running = submit(http, "wait_and_return", seconds=1, message="not disturbed")
        wait_until(lambda: http.get(f"/producer/api/wait_and_return/{running}").json()["status"] == "STARTED")
        project.save(project.tasks.read_text() + AVERAGE, then="glassqueue: restarted in")
        assert finished(http, "average", submit(http, "average", numbers=[1, 2]))["result"] == 1.5
        ended = finished(http, "wait_and_return", running)
    assert (ended["result"], ended["attempts"]) == ("not disturbed", 1)
    assert set(statuses) == {202}
    assert "demo.py changed; restarting producer, consumer, scheduler" in project.stack.log


def test_a_job_that_takes_too_long_is_handed_back_to_the_new_code(project: Project) -> None:
    """After SHUTDOWN_TIMEOUT: then the new process runs it again."""
    with project.stack.client() as http:
        running = submit(http, "wait_and_return", seconds=60, message="again")
        wait_until(lambda: http.get(f"/producer/api/wait_and_return/{running}").json()["status"] == "STARTED")
        faster = project.tasks.read_text().replace("time.sleep(seconds)", "time.sleep(0)")
        project.save(faster, then="glassqueue: restarted in")
        ended = finished(http, "wait_and_return", running)
    assert (ended["result"], ended["attempts"]) == ("again", 2)
    log = project.stack.run_dir / "stack.log"
    wait_until(lambda: f"handed back job_id={running}" in log.read_text())


def test_broken_code_is_shown_and_the_old_code_serves_until_it_is_fixed(project: Project) -> None:
    """One block with file, line and cause; no process is restarted."""
    whole = project.tasks.read_text()
    seen = len(project.stack.log)
    project.save(whole + "def broken(\n", then="The running processes keep the old code until this error is fixed.")
    block = project.stack.log.partition("glassqueue: cannot load the changed code: ")[2]
    number = len(whole.splitlines()) + 1
    place = f"project/celery_config/tasks/demo.py, line {number}:\n    def broken(\nSyntaxError: '(' was never closed\n"
    assert block.startswith(place)
    with project.stack.client() as http:
        assert finished(http, "sum", submit(http, "sum", number=10))["result"] == 55
    assert "restarting" not in project.stack.log[seen:]
    project.save(whole.replace("return total", "return -total"), then="glassqueue: restarted in")
    with project.stack.client() as http:
        assert finished(http, "sum", submit(http, "sum", number=10))["result"] == -55


def test_changed_texts_and_the_page_restart_nothing(project: Project) -> None:
    """NGINX serves the page from its file; the next change of code is the first that is named."""
    project.tasks.with_name("notes.txt").write_text("no code")
    (project.stack.folder / "project/web/style.css").write_text("")
    seen = len(project.stack.log)
    project.save(project.tasks.read_text() + "\n", then="glassqueue: restarted in")
    assert re.findall(r"glassqueue: (\S+) changed", project.stack.log[seen:]) == ["project/celery_config/tasks/demo.py"]


def test_the_stack_stops_with_all_processes_that_wait_for_a_change(project: Project) -> None:
    """Also those that finish their jobs."""
    wait_until(lambda: len(project.stack.pids("warm.py")) >= 4)
    processes = project.stack.processes()
    assert project.stack.stop() == 0
    assert [process for process in processes if alive(process)] == []
