"""The explanations leave nothing out and mention nothing that is gone."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from project.brokers import broker_for
from project.celery_config.config import celery_options
from project.native.parts import Programs, parts
from project.settings import Settings
from tests.support.markdown import blocks

SETTINGS = Path("docs/explanation/settings.md").read_text()
DEPENDENCIES = Path("docs/explanation/dependencies.md").read_text()
ADD_A_TASK = Path("docs/how-to/add-a-task.md")


def test_every_celery_option_is_explained_and_no_other() -> None:
    """The rows of the Celery tables are the keys of celery_options()."""
    options = celery_options(Settings(), broker_for(Settings()))
    inner = {f"{key}.{name}" for key, value in options.items() if isinstance(value, dict) for name in value}
    outer = {key for key, value in options.items() if not (isinstance(value, dict) and value)}
    assert _first_cells(_section(SETTINGS, "Celery")) == inner | outer


def test_every_option_on_a_command_line_is_explained_and_no_other() -> None:
    """What both ways of running pass to Redis, uvicorn, Celery, Flower and Locust has its reason."""
    services = yaml.safe_load(Path("docker-compose.yml").read_text())["services"].values()
    lists_or_lines = [service.get("command", "") for service in services]
    lines = [command if isinstance(command, str) else " ".join(command) for command in lists_or_lines]
    lines += [
        " ".join(part.command) for part in parts(Settings(_env_file=None, reload=True), Path("/run"), Programs("", ""))
    ]
    passed = set(re.findall(r"(?<= )--[\w-]+", "\n".join(lines)))
    assert _first_cells(_section(SETTINGS, "Command lines")) == passed


def test_every_nginx_directive_that_is_explained_is_set() -> None:
    """The rows of the NGINX table are lines of the NGINX files."""
    files = "\n".join(path.read_text() for path in Path("nginx").rglob("*") if path.is_file())
    set_lines = {" ".join(line.split()) for line in re.split(r"[;\n]", files)}
    rows = _first_cells(_section(SETTINGS, "NGINX"))
    assert rows
    assert rows <= set_lines


def test_every_direct_dependency_is_explained_and_no_other() -> None:
    """The rows of the tables are the lines of requirements*.in."""
    lines = [line for file in Path().glob("requirements*.in") for line in file.read_text().splitlines()]
    direct = {match[0] for line in lines if (match := re.match(r"[A-Za-z][\w-]*", line))}
    assert _first_cells(DEPENDENCIES) == direct


def test_the_tasks_of_how_to_add_a_task_get_their_endpoints() -> None:
    """Its Python blocks, put together, are declarations that work; in a process that ends, as tasks are registered."""
    examples = "\n".join(block.text for block in blocks(ADD_A_TASK) if block.language == "python")
    routes = set(re.findall(r'route="(\w+)"', examples))
    check = "from project.producer import create_app\nprint(*create_app().openapi()['paths'])"
    run = [sys.executable, "-W", "error", "-c", f"{examples}\n{check}"]
    printed = subprocess.run(run, check=True, capture_output=True, text=True).stdout.split()
    assert routes
    assert {f"/producer/api/{route}" for route in routes} <= set(printed)


def _section(page: str, heading: str) -> str:
    """Return what stands under a heading, its lower headings included."""
    return page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def _first_cells(text: str) -> set[str]:
    """Return the code in the first column of the tables; a row may explain several."""
    rows = re.findall(r"^\| (`[^|]+`) +\|", text, re.MULTILINE)
    return {code for row in rows for code in re.findall(r"`([^`]+)`", row)}


def test_every_feature_of_the_source_systems_has_its_place_and_its_test() -> None:
    """Five systems, and in each row a test; another test checks that it exists."""
    text = Path("docs/explanation/sources.md").read_text()
    systems = text.split("\n## ")[1:]
    assert len(systems) == 5
    for system in systems:
        rows = [line.strip("| ").split(" | ") for line in system.splitlines() if line.startswith("| ")][1:]
        assert len(rows) >= 6
        assert [row for row in rows if len(row) != 3 or not re.fullmatch(r"`test_\w+`(, `test_\w+`)*", row[2])] == []
