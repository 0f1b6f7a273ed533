"""What a page of the documentation refers to exists."""

import re
import tomllib
from pathlib import Path

import pytest

from project import __version__
from tests.support.markdown import anchors, blocks, links, pages

TARGETS = set(re.findall(r"^[\w./ -]+(?=:(?!=))", Path("Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", pages(), ids=str)
def test_links_inside_the_project_resolve(page: Path) -> None:
    """A link leads to a file that is there, and to a heading that is in it."""
    for link in links(page):
        if not link.startswith(("http://", "https://")):
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), f"{page} links to {link}"
            assert not anchor or anchor in anchors(target), f"{page} links to {link}"


@pytest.mark.parametrize("page", pages(), ids=str)
def test_make_targets_that_a_page_names_exist(page: Path) -> None:
    """`make x` in prose or in a block is a target of the Makefile."""
    targets = {target for line in TARGETS for target in line.split()}
    commands = [*re.findall(r"`(make [^`]+)`", page.read_text()), *_lines_of_shell(page)]
    named = {match[1] for command in commands if (match := re.match(r"(?:\$ )?make ([\w./-]+)", command))}
    assert named <= targets


def _lines_of_shell(page: Path) -> list[str]:
    shell = [block.text for block in blocks(page) if block.language in ("console", "sh")]
    return "\n".join(shell).splitlines()


@pytest.mark.parametrize("page", pages(), ids=str)
def test_files_that_a_page_names_exist(page: Path) -> None:
    """A path in backticks that starts with one of our folders is there."""
    folders = "project|nginx|locust|tests|docs"
    prose = page.read_text()
    for path in re.findall(rf"`((?:{folders})/[\w./-]+)`", prose):
        assert Path(path).exists() or f"Create `{path}`" in prose, f"{page} names {path}"


def test_the_version_is_the_same_everywhere() -> None:
    """The package, its metadata and the top of the changelog name one version."""
    metadata = tomllib.loads(Path("pyproject.toml").read_text())
    newest = re.search(r"^## \[?([\d.]+)\]?", Path("CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert __version__ == metadata["project"]["version"] == newest[1]


def test_contributing_lists_each_folder_once() -> None:
    """The table that helps to find one's way has one line for each."""
    rows = re.findall(r"^\| (`.*?`) \|", Path("CONTRIBUTING.md").read_text(), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert len(named) > 5
    assert sorted(set(named)) == sorted(named)


def test_the_readme_is_short() -> None:
    """Three minutes: 70 to 120 lines."""
    assert 70 <= len(Path("README.md").read_text().splitlines()) <= 120
