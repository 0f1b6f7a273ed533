"""An error that keeps the app from loading is shown as one short block, and nothing is started."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.newcomer import NOT_COPIED
from tests.support.ports import free_port

TASK = """
@shared_task(route="{route}")
def {name}({parameter}) -> int:
    return 1
"""
PROBLEMS = {
    "def broken(:\n": "SyntaxError",
    "import no_such_module\n": "ModuleNotFoundError: No module named 'no_such_module'",
    "numbers = 1 / 0\n": "ZeroDivisionError",
    TASK.format(route="sum", name="other", parameter=""): "'sum' is already taken by",
    TASK.format(route="sum", name="sum_to_n_job", parameter=""): "'sum' is already taken by",
    TASK.format(route="jobs", name="other", parameter=""): "the producer's own address",
    TASK.format(route="other", name="other", parameter="untyped"): "'untyped' needs a name and a type",
    TASK.format(route="other", name="other", parameter="one: 'Missing'"): "name 'Missing' is not defined",
    TASK.format(route="other", name="other", parameter="one: type(print)"): "Unable to generate pydantic-core schema",
    "@shared_task(run_after='nobody')\ndef first() -> int:\n    return 1\n": "there is no task of that name",
    "import sys\nsys.exit()\n": "SystemExit",
    # as if it had hung until then
    "import signal\nsignal.raise_signal(signal.SIGALRM)\n": "TimeoutError: it has not been loaded after 60 s",
}
PROGRAMS = {
    "make up": ["-m", "project.native"],
    "consumer": ["-m", "celery", "--app", "project.consumer", "report"],
    "producer": ["-m", "uvicorn", "--factory", "project.producer:create_app"],
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, to be broken."""
    folder = tmp_path_factory.mktemp("startup") / "glassqueue"
    shutil.copytree(".", folder, ignore=NOT_COPIED)
    return folder


@pytest.mark.parametrize("problem", PROBLEMS, ids=PROBLEMS.values())
def test_make_up_names_file_line_and_cause(copy: Path, problem: str) -> None:
    """In one block, before anything is started."""
    _assert_explained(copy, problem, "make up")


@pytest.mark.parametrize("program", ["consumer", "producer"])
def test_a_container_that_cannot_start_says_so_as_briefly(copy: Path, program: str) -> None:
    """Consumer and producer explain an error in a task themselves."""
    _assert_explained(copy, next(iter(PROBLEMS)), program)


def test_a_task_outside_of_the_project_is_explained_too(tmp_path: Path) -> None:
    """The message names its own file and line, not those of the code that loads it."""
    (tmp_path / "shop.py").write_text("import json\n\njson.loads('{')\n")
    error = _make_up(tmp_path, TASK_MODULES="shop", TASK_PATH=str(tmp_path))
    first, line, cause = error.splitlines()
    assert first == f"glassqueue: cannot start: {tmp_path}/shop.py, line 3:"
    assert "json.loads" in line and "JSONDecodeError" in cause


def test_a_queue_that_no_task_has_stops_make_up(tmp_path: Path) -> None:
    """Instead of a consumer that exits five times."""
    error = _make_up(tmp_path, CONSUMER_QUEUES="cpuu")
    assert error.startswith("glassqueue: CONSUMER_QUEUES: no queue is called 'cpuu'; choose from cpu, ")
    assert error.count("\n") == 1


def _make_up(folder: Path, **settings: str) -> str:
    """Run `make up`, which must refuse to start, and return what it says."""
    environment = {**os.environ, "RUN_DIR": str(folder / "run"), "HTTP_PORT": str(free_port()), **settings}
    environment |= {f"{name}_PORT": str(free_port()) for name in ("REDIS", "PRODUCER", "FLOWER", "LOCUST", "SMTP")}
    run = [sys.executable, "-m", "project.native"]
    done = subprocess.run(run, env=environment, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def _assert_explained(copy: Path, problem: str, program: str) -> None:
    tasks = copy / "project/celery_config/tasks/demo.py"
    whole = tasks.read_text()
    environment = {**os.environ, "RUN_DIR": str(copy / "run"), "HTTP_PORT": str(free_port())}
    environment |= {f"{name}_PORT": str(free_port()) for name in ("REDIS", "PRODUCER", "FLOWER", "LOCUST", "SMTP")}
    try:
        tasks.write_text(f"{whole}\n{problem}")
        run = [sys.executable, *PROGRAMS[program]]
        done = subprocess.run(run, cwd=copy, env=environment, check=False, capture_output=True, text=True, timeout=60)
    finally:
        tasks.write_text(whole)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert (done.returncode, len(lines)) == (1, 3), done.stderr
    assert lines[0].startswith("glassqueue: cannot start: project/celery_config/tasks/demo.py, line ")
    assert PROBLEMS[problem] in lines[2]
    assert "Traceback" not in done.stdout
