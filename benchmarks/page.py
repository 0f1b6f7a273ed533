"""Write the figures into the documentation: tables, charts, and figures in the prose of any page.

A table is between `<!-- table: NAME -->` and `<!-- end -->`. The median of a side is between `<!-- = NAME: SIDE -->`
and `<!-- / -->`, or a ratio if the first comment is `<!-- = NAME: SIDE / OTHER -->`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from benchmarks.chart import draw, number_text
from benchmarks.figures import Figure

PAGE = Path("docs/explanation/performance.md")
IMAGES = Path("docs/images")
QUOTED = re.compile(r"(<!-- = ([^:]+): (.+?) -->)(.*?)(<!-- / -->)", re.DOTALL)
TABLE = re.compile(r"(<!-- table: (.+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
#: The tables, and the figures in each.
TABLES = {
    "http": ("accept, 1 connection, p50", "accept, 16 connections", "accept, 16 connections, p99",
             "accept, 64 connections", "accept, 64 connections, p99", "look up", "two producers", "result with ?wait",
             "waiting clients"),
    "publish": ("publish one by one", "publish in batches", "round trip", "memory"),
    "drain": ("drain", "pools", "as shipped", "queue depth", "fairness"),
    "events": ("events", "Flower"),
    "slots": ("slots",),
}  # fmt: skip
CHARTS = {"drain": "drain", "accept": "accept, 16 connections", "events": "events"}


def pages() -> list[Path]:
    """Return the pages that may quote figures."""
    return [Path("README.md"), *sorted(Path("docs").rglob("*.md"))]


def write(machine: Mapping[str, str], figures: Mapping[str, Figure]) -> None:
    """Bring all pages and charts up to date."""
    for page in pages():
        old = page.read_text()
        if (new := fill_in(old, machine, figures)) != old:
            page.write_text(new)
    for name, figure in CHARTS.items():
        if figure in figures:
            (IMAGES / f"speed-{name}.svg").write_text(draw(figures[figure], ours(figures[figure])))


def ours(figure: Figure) -> frozenset[str]:
    """Return the sides that are this project's."""
    return frozenset(side for side in figure.sides if side.startswith("Glassqueue"))


def fill_in(text: str, machine: Mapping[str, str], figures: Mapping[str, Figure]) -> str:
    """Return a page with the figures of these measurements; a figure that was not measured stays."""

    def quoted(match: re.Match[str]) -> str:
        text = quote(match[2], match[3], figures) if match[2] in figures else match[4]
        return f"{match[1]}{text}{match[5]}"

    text = TABLE.sub(lambda match: f"{match[1]}{table(match[2], machine, figures)}{match[4]}", text)
    return QUOTED.sub(quoted, text)


def quote(name: str, sides: str, figures: Mapping[str, Figure]) -> str:
    """Return a figure as text: `SIDE` is a median, `SIDE / OTHER` a ratio."""
    side, _, other = sides.partition(" / ")
    figure = figures[name]
    return f"{figure.ratio(side, other):.2g}" if other else number_text(float(f"{figure.median(side):.2g}"))


def table(name: str, machine: Mapping[str, str], figures: Mapping[str, Figure]) -> str:
    """Return a table in Markdown, or the description of the machine."""
    if name == "machine":
        lines = [f"| {key} | {value} |" for key, value in machine.items()]
        return "\n".join(["| | |", "|---|---|", *lines, ""])
    lines = [row for figure in TABLES[name] if figure in figures for row in rows(figures[figure])]
    return "\n".join(["| measure | side | median (min\N{EN DASH}max) | ratio |", "|---|---|---|---|", *lines, ""])


def rows(figure: Figure) -> list[str]:
    """Return the lines of a figure in a table."""
    lines = []
    for number, (side, values) in enumerate(figure.sides.items()):
        between = f"{number_text(min(values))}\N{EN DASH}{number_text(max(values))}"
        spread = f"{number_text(figure.median(side))} ({between})"
        ratio = f"{figure.ratio(side, figure.baseline):.2g}" if number else ""
        lines.append(f"| {'' if number else f'{figure.name}, {figure.unit}'} | {side} | {spread} | {ratio} |")
    return lines
