"""The broker package knows nothing of this project: under another name, without the rest, it works."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BROKER = Path("project/leased_transport")
WITHOUT_THE_PROJECT = """
import importlib.util, pkgutil, sys
import leased
for module in pkgutil.iter_modules(leased.__path__):
    importlib.import_module(f"leased.{module.name}")
options = leased.celery_settings("redis://127.0.0.1:6379/0")
assert options["broker_transport"] == "leased.transport:Transport", options
assert importlib.util.find_spec("project") is None
assert not [name for name in sys.modules if name.split(".")[0] == "project"]
"""


def test_it_can_be_imported_under_another_name_without_the_project(tmp_path: Path) -> None:
    """A copy of the folder alone, in a folder of its own, with all its modules and scripts."""
    shutil.copytree(BROKER, tmp_path / "leased", ignore=shutil.ignore_patterns("__pycache__"))
    run = [sys.executable, "-W", "error", "-c", WITHOUT_THE_PROJECT]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", sorted(BROKER.glob("*.py")), ids=lambda path: path.stem)
def test_its_modules_import_nothing_of_the_project(module: Path) -> None:
    """Imports inside functions count too: those the copy would only meet later."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            assert not [name.name for name in node.names if name.name.split(".")[0] == "project"]
        if isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"{module} imports from above the package"
            assert (node.module or "").split(".")[0] != "project"
