"""The labs: each has the same form, and shows the phenomenon that it names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.tools.labs import pages
from docs.tools.labs.lab import FOLDER, SECTIONS, Lab, labs
from docs.tools.labs.runner import NEEDS, Runner
from tests.support.markdown import blocks

LABS = labs()


def _name(lab: Lab) -> str:
    return lab.path.stem


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    """A student with a fresh copy of the project, whose stack is stopped at the end."""
    runner = Runner(tmp_path)
    yield runner
    runner.close()


@pytest.mark.heavy
@pytest.mark.timeout(240)
@pytest.mark.parametrize("lab", LABS, ids=_name)
def test_the_phenomenon_of_the_lab_occurs(runner: Runner, lab: Lab) -> None:
    """Every command shows what the lab shows, every relation holds, and Reset leaves nothing behind."""
    runner.run(lab)


@pytest.mark.parametrize("lab", LABS, ids=_name)
def test_a_lab_has_the_form_of_a_lab(lab: Lab) -> None:
    """A question, three choices of which two have their misconception, and all sections in order."""
    assert len(lab.path.read_text().splitlines()) <= 120
    assert lab.title.startswith(f"Lab {int(lab.number)}: ")
    assert lab.question.startswith("**Question.** ")
    assert [*lab.sections] == SECTIONS
    assert [*lab.choices] == ["A", "B", "C"]
    assert lab.misconceptions.keys() == {"A", "B", "C"} - {lab.front["answer"]}
    assert lab.front["needs"] in NEEDS
    assert 5 <= int(lab.front["minutes"]) <= 10
    assert int(lab.front["budget"]) <= 60


@pytest.mark.parametrize("lab", LABS, ids=_name)
def test_a_lab_names_a_test_that_exists(lab: Lab) -> None:
    """The explanation links into the code, and to the test that proves it."""
    named = re.findall(r"`(test_\w+)", lab.sections["Explain"])
    written = "\n".join(path.read_text() for path in Path("tests").rglob("test_*.py"))
    assert named
    assert [name for name in named if f"def {name}(" not in written] == []
    assert "](../../project/" in lab.sections["Explain"]


@pytest.mark.parametrize("lab", LABS, ids=_name)
def test_a_lab_explains_in_at_most_ten_sentences(lab: Lab) -> None:
    """Without its pictures."""
    prose = re.sub(r"```.*?```|`[^`]*`|\[[^\]]*\]|\([^)]*\)", "x", lab.sections["Explain"], flags=re.DOTALL)
    assert len(re.findall(r"[.?!](?:\s|$)", prose)) <= 10


def test_every_lab_stops_and_resets_its_stack() -> None:
    """So that the labs can be done in any order."""
    for lab in LABS:
        last = [block.text for block in blocks(lab.path) if block.language == "console"][-1]
        assert "$ make down\n" in last and "$ make reset\n" in last


def test_the_list_of_labs_is_complete() -> None:
    """The index links every lab, in order."""
    linked = re.findall(r"^\| \[.*\]\((\d\d-[\w-]+\.md)\) \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert linked == [lab.path.name for lab in LABS]


def test_the_page_links_every_lab() -> None:
    """By its title, from the part that the lab is about and from the explanation of that part."""
    linked = re.findall(r'href="labs/([\w-]+)\.html">(\d+\. [^<]+)<', Path("project/web/index.html").read_text())
    assert set(linked) == {(lab.path.stem, lab.title.removeprefix("Lab ").replace(":", ".")) for lab in LABS}


def test_the_rendered_labs_are_up_to_date() -> None:
    """`make reference` has been run after the last change of a lab, and nothing is left of one that is gone."""
    made = pages.files()
    assert set(pages.FOLDER.glob("*.html")) == made.keys()
    assert [str(path) for path, content in made.items() if path.read_text() != content] == []


def test_a_rendered_lab_has_neither_scripts_nor_inline_styles() -> None:
    """The content security policy would refuse them."""
    text = "".join(path.read_text() for path in pages.FOLDER.glob("*.html"))
    assert re.findall(r"<script|<style| style=| on\w+=", text) == []


@pytest.mark.parametrize("lab", LABS, ids=_name)
def test_the_links_of_a_rendered_lab_lead_somewhere(lab: Lab) -> None:
    """To files that are served, or to what the stack serves itself."""
    text = (pages.FOLDER / f"{lab.path.stem}.html").read_text()
    targets = re.findall(r'(?:href|src)="([^"#]*)[^"]*"', text)
    served = ("../producer/", "../load-test/", "../dashboard/", "../mail/")
    inside = [target for target in targets if not target.startswith(served)]
    assert len(inside) > 10
    assert [target for target in inside if not (pages.FOLDER / target).exists()] == []
