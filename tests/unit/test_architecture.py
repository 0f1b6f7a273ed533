"""ARCHITECTURE.md and the README's reading list are true: files exist, and imports follow the arrows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.markdown import blocks

PAGE = Path("ARCHITECTURE.md")
TASKS = ("celery_config", "tasks")


def arrows() -> dict[str, set[str]]:
    """Return for each package the packages that it may import."""
    text = next(block.text for block in blocks(PAGE) if block.language == "text")
    lines = (line.partition("->") for line in text.splitlines())
    return {package.strip(): set(allowed.split()) for package, _, allowed in lines}


def package_of(parts: tuple[str, ...]) -> str | None:
    """Return the package of a module below project, or None for one directly in it."""
    if parts[:2] == TASKS:
        return "tasks"
    return parts[0] if parts and Path("project", parts[0]).is_dir() else None


def imports(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield the modules of project that a file imports, as paths below it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (tuple(name.split(".")[1:]) for name in names if name.split(".")[0] == "project")


@pytest.mark.parametrize("package", arrows())
def test_imports_follow_the_arrows(package: str) -> None:
    """A package imports no other packages than the page says."""
    folder = Path("project", *TASKS) if package == "tasks" else Path("project", package)
    wrong = {
        f"{path} imports {'.'.join(target)}"
        for path in folder.rglob("*.py")
        if package_of(path.parts[1:]) == package
        for target in imports(path)
        if package_of(target) not in {None, package, *arrows()[package]}
    }
    assert not wrong


def test_the_drawing_shows_only_arrows_of_the_list() -> None:
    """The drawing may leave out arrows, but no package."""
    drawing = next(block.text for block in blocks(PAGE) if block.language == "mermaid")
    lines = [line.partition("-->") for line in drawing.splitlines()[1:]]
    drawn = {(left, right) for lefts, _, rights in lines for left in _nodes(lefts) for right in _nodes(rights)}
    assert {node for lefts, _, rights in lines for node in _nodes(lefts) | _nodes(rights)} == arrows().keys()
    assert all(right in arrows()[left] for left, right in drawn)


def _nodes(text: str) -> set[str]:
    return {node.strip() for node in text.split("&") if node.strip()}


def test_every_package_has_its_arrows_and_its_row() -> None:
    """A new folder of Python code is on the page."""
    folders = {path.parent.parts[1] for path in Path("project").glob("*/*.py")}
    assert folders | {"tasks"} == arrows().keys()
    assert all(f"`project/{folder}/`" in PAGE.read_text() for folder in folders)


@pytest.mark.parametrize("page", [PAGE, Path("README.md"), Path("CONTRIBUTING.md")], ids=str)
def test_every_file_that_the_page_names_exists(page: Path) -> None:
    """Moving a file moves its name on the page."""
    named = re.findall(r"`((?:project|nginx|locust|tests)/[\w/.-]+\.(?:py|lua|template))`", page.read_text())
    assert named
    assert [name for name in named if not Path(name).exists()] == []
