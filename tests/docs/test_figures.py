"""The figures about speed in the documentation are those that `make bench` has recorded."""

import re
from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.chart import draw
from benchmarks.figures import load

#: Words that announce a figure of the benchmark.
CLAIM = re.compile(r"(?:\d[\d.,]*|twice|\b(?:two|three|four|five|six|seven|eight|nine|ten)) times as (?:many|fast)")


@pytest.mark.parametrize("path", page.pages(), ids=str)
def test_pages_quote_the_recorded_figures(path: Path) -> None:
    """`python -m benchmarks --pages` writes them."""
    text = path.read_text()
    assert page.fill_in(text, *load()) == text


@pytest.mark.parametrize("path", page.pages(), ids=str)
def test_no_page_claims_a_speed_that_was_not_recorded(path: Path) -> None:
    """A ratio in prose stands between the marks of a quoted figure."""
    prose = page.QUOTED.sub("QUOTED", path.read_text())
    assert not CLAIM.findall(prose)


@pytest.mark.parametrize("name", page.CHARTS)
def test_charts_show_the_recorded_figures(name: str) -> None:
    """Each figure that has a chart."""
    figure = load()[1][page.CHARTS[name]]
    assert (page.IMAGES / f"speed-{name}.svg").read_text() == draw(figure, page.ours(figure))


def test_every_recorded_figure_is_in_a_table() -> None:
    """And each table has all its figures."""
    assert {name for names in page.TABLES.values() for name in names} == load()[1].keys()


def test_the_machine_is_described_without_its_name() -> None:
    """The record is public."""
    assert set(load()[0]) == {"processor", "memory", "system", "versions", "load", "taken"}
