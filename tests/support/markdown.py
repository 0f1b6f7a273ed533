"""Read a Markdown page: its fenced blocks, links and headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, where it stands, the line of prose before it, and all prose before it."""

    language: str
    text: str
    where: str
    intro: str
    prose: str


def pages() -> list[Path]:
    """Return every Markdown page of the project."""
    return [*sorted(Path().glob("*.md")), *sorted(Path("docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page from top to bottom."""
    text, end = page.read_text(), 0
    for fence in _FENCE.finditer(text):
        before, prose = text[: fence.start()], text[end : fence.start()].strip()
        intro = before.strip().rpartition("\n")[2]
        yield Block(fence[1], fence[2], f"{page}:{before.count(chr(10)) + 1}", intro, prose)
        end = fence.end()


def links(page: Path) -> list[str]:
    """Return the targets of the page's links and images."""
    return _LINK.findall(_prose(page))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the page's headings."""
    return {_anchor(heading) for heading in _HEADING.findall(_prose(page))}


def _prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text())


def _anchor(heading: str) -> str:
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
