"""The suite itself: it runs from any shell, and CI shows all that fails."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from project.settings import Settings
from tests.support.newcomer import NOT_COPIED

ROOT = Path(__file__).parent.parent.parent
MAKEFILE = """
test-rabbitmq: ; @echo runs $@
test test-heavy: ; @echo runs $@; exit 3
"""


def test_the_programs_of_the_venv_are_on_path() -> None:
    """Tests find the programs that were installed beside pytest, and the files of the project."""
    assert {shutil.which(name) for name in ("python", "celery", "uvicorn")} == {
        f"{Path(sys.executable).parent}/{name}" for name in ("python", "celery", "uvicorn")
    }
    assert Path("Makefile").exists()


def test_pytest_runs_from_any_folder_and_shell(tmp_path: Path) -> None:
    """The test above passes in another folder, in a shell that knows nothing of the venv."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"{__file__}::{_first_test()}"]
    run = subprocess.run(command, cwd=tmp_path, env={"PATH": os.defpath}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def _first_test() -> str:
    return test_the_programs_of_the_venv_are_on_path.__name__


def test_neither_tests_nor_their_processes_read_an_env_file() -> None:
    """Results expire when they do by default."""
    program = "from project.settings import get_settings; print(get_settings().result_ttl)"
    printed = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert int(printed) == Settings().result_ttl == Settings.model_fields["result_ttl"].default


def test_a_developers_own_env_file_reaches_no_stack_of_a_test(tmp_path: Path) -> None:
    """The test above passes in a copy of the project that has one."""
    folder = tmp_path / "glassqueue"
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    (folder / ".env").write_text("RESULT_TTL=77\n")
    test = f"tests/unit/test_the_suite.py::{test_neither_tests_nor_their_processes_read_an_env_file.__name__}"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", test]
    environment = {name: value for name, value in os.environ.items() if name != "GLASSQUEUE_ENV_FILE"}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.skipif(os.environ.get("CI") != "true", reason=".ci/run would install its Debian packages here")
def test_ci_runs_all_suites_once_and_reports_those_that_failed(tmp_path: Path) -> None:
    """A suite that fails is not run again, keeps no other from running, and CI fails at the end."""
    (tmp_path / "clone/.ci").mkdir(parents=True)
    (tmp_path / "clone/Makefile").write_text(MAKEFILE)
    script = shutil.copy(ROOT / ".ci/run", tmp_path / "clone/.ci/run")
    run = subprocess.run([script], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert [line for line in run.stdout.splitlines() if line.startswith("runs")] == [
        "runs test", "runs test-heavy", "runs test-rabbitmq",
    ]  # fmt: skip
    report = [line.split(" in ")[0].split() for line in run.stdout.splitlines()[-3:]]
    assert report == [["test", "failed"], ["test-heavy", "failed"], ["test-rabbitmq", "passed"]]


def test_no_test_imports_tasks_that_only_a_consumer_has() -> None:
    """They would be tasks of the stack itself in all later tests of the process."""
    texts = [path.read_text() for path in ROOT.glob("tests/**/*.py")]
    modules = {name for text in texts for name in re.findall(r'task_modules\W+"(tests[\w.]+)"', text)}
    assert modules
    imported = [name for text in texts for name in re.findall(r"^\s*from (\S+) import", text, re.MULTILINE)]
    assert modules & {*imported} == set()
