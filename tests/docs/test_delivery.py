"""What the explanation of delivery claims about tests, keys and scripts is so."""

import re
import tomllib
from pathlib import Path

import pytest

from project.leased_transport import records
from tests.support.markdown import pages

DELIVERY = Path("docs/explanation/delivery.md").read_text()
ALL_LUA = sorted(Path("project").glob("*/lua/*.lua"))
LUA = [path for path in ALL_LUA if path.parts[1] != "schedules"]  # when jobs are submitted is not about delivery
TESTS = {
    name for path in Path("tests").rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
}
MOMENTS = {"before", "after"}


@pytest.mark.parametrize("page", pages(), ids=str)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    """A claim that rests on a test rests on one that is there."""
    named = set(re.findall(r"`(test_\w+)(?:\[\w+\])?`", page.read_text()))
    assert named <= TESTS, f"{page} names {named - TESTS}"


def test_every_row_of_what_happens_is_a_test() -> None:
    """The last cell of each row names a test, in the moments that the kill points have."""
    section = DELIVERY.split("\n## What happens if X dies at moment Y\n", 1)[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 15
    for row in rows:
        assert re.fullmatch(r"`test_\w+(\[\w+\])?`(, `test_\w+`)*", row[-1]), row
        assert set(re.findall(r"\[(\w+)\]", row[-1])) <= MOMENTS


@pytest.mark.parametrize("script", [path for path in ALL_LUA if path.stem != "common"], ids=lambda path: path.stem)
def test_a_script_begins_with_its_contract(script: Path) -> None:
    """One sentence, then KEYS, ARGV and what it returns."""
    header = re.match(r"(?:--.*\n)+", script.read_text())
    assert header, script
    lines = [line.removeprefix("--").split() for line in header[0].splitlines()]
    starts = [line[0] for line in lines if line[0] in ("KEYS", "ARGV", "returns")]
    assert starts == ["KEYS", "ARGV", "returns"], script
    assert lines[0][0] not in starts


def test_delivery_names_only_scripts_that_exist() -> None:
    """A script that was renamed or removed is renamed or removed on the page too."""
    named = set(re.findall(r"`(\w+)\.lua`", DELIVERY))
    assert named and named <= {path.stem for path in ALL_LUA}


def test_delivery_names_every_field_of_a_record() -> None:
    """The row of the record lists what scripts and backend write, and nothing else."""
    row = next(line for line in DELIVERY.splitlines() if line.startswith("| `job:<id>` | hash"))
    documented = {field for code in re.findall(r"`([^`]+)`", row)[1:] for field in code.split()}
    assert documented >= records.INTERNAL
    written = "".join(path.read_text() for path in [*LUA, *Path("project").rglob("*.py")])
    for field in documented:
        assert re.search(rf"['\"]{field}['\"]", written), field


def test_delivery_names_every_kind_of_key() -> None:
    """Each key that a script puts together is in the table."""
    written = "".join(path.read_text() for path in LUA)
    for prefix in set(re.findall(r"'(\w+:)' \.\.", written)) | {"jobs:recent"}:
        assert f"`{prefix}" in DELIVERY, prefix


def test_delivery_explains_every_known_difference_from_celerys_transport() -> None:
    """Each that the list for Celery's own suite names is a row, and the other way round."""
    section = DELIVERY.split("\n## Differences from Celery's own transport\n", 1)[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ")[0] for line in section.splitlines() if line.startswith("| ")][1:]
    assert set(rows) == set(tomllib.loads(Path("tests/celery_suite/known_differences.toml").read_text()).values())
