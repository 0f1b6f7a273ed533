"""Render the labs as the pages that NGINX serves at /labs/: `python -m docs.tools.labs.pages`.

The pages are committed, so neither `make up` nor the image needs a Markdown library. They have no scripts and no inline
styles, which the content security policy would refuse.
"""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path, PurePosixPath
from string import Template
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from docs.tools.labs.lab import FOLDER as SOURCES
from docs.tools.labs.lab import Lab, labs

FOLDER = Path("project/web/labs")
IMAGES = FOLDER / "images"
INDEX = SOURCES / "README.md"
STACK = "http://127.0.0.1:8080/"
_FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_PAGE = Template(Path(__file__).with_name("page.html").read_text())


def files() -> dict[Path, str]:
    """Return the path and content of each page."""
    chosen = labs()
    made = {FOLDER / "index.html": _page("Labs", _text(INDEX), "")}
    for lab in chosen:
        made[_target(lab)] = _page(lab.title, _about(lab) + _text(lab.path), _neighbours(lab, chosen))
    return made


def write() -> None:
    """Write all pages, and delete those of labs that are gone."""
    made = files()
    for path in set(FOLDER.glob("*.html")) - made.keys():
        path.unlink()
    for path, content in made.items():
        path.write_text(content)


def _target(lab: Lab) -> Path:
    return FOLDER / f"{lab.path.stem}.html"


def _page(title: str, body: str, neighbours: str) -> str:
    return _PAGE.substitute(title=escape(title), body=body, neighbours=neighbours)


def _about(lab: Lab) -> str:
    return f'<p class="hint">{lab.front["minutes"]} minutes · with a guide: <code>make lab N={lab.number}</code></p>\n'


def _neighbours(lab: Lab, chosen: Sequence[Lab]) -> str:
    """Return links to the lab before and the lab after."""
    at = chosen.index(lab)
    sides = [("prev", "← ", chosen[at - 1 : at]), ("next", "→ ", chosen[at + 1 : at + 2])]
    return "".join(
        f'<a rel="{rel}" href="{each.path.stem}.html">{arrow}{escape(each.title)}</a>\n'
        for rel, arrow, found in sides
        for each in found
    )


def _text(path: Path) -> str:
    """Return a Markdown page as HTML."""
    markdown = MarkdownIt("commonmark").enable("table")
    markdown.add_render_rule("fence", _fence)
    tokens = markdown.parse(_FRONT.sub("", path.read_text()))
    for token in tokens:
        if token.children:
            token.children = _with_links(token.children)
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _fence(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _environment: Any) -> str:
    """Return a block of code; in a `console` block only the commands can be selected, so that a copy of it runs."""
    token = tokens[index]
    if token.info != "console":
        return f'<pre class="{escape(token.info)}"><code>{escape(token.content, quote=False)}</code></pre>\n'
    shown, goes_on = "", False
    for line in token.content.splitlines():
        shown += _line(f"{line}\n", goes_on)
        goes_on = line.endswith("\\") and (goes_on or line.startswith("$ "))
    return f'<pre class="console"><code>{shown}</code></pre>\n'


def _line(line: str, goes_on: bool) -> str:
    text = escape(line.removeprefix("$ "), quote=False)
    if line.startswith("$ "):
        return f'<span class="prompt">$ </span>{text}'
    return text if goes_on else f'<span class="output">{text}</span>'


def _with_links(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens with links that work where the pages are served; a file of the project becomes its path."""
    result: list[Token] = []
    path = ""
    for token in tokens:
        if token.type == "image":
            token.attrs["src"] = f"images/{PurePosixPath(str(token.attrs['src'])).name}"
        elif token.type == "link_open":
            href = _served(str(token.attrs["href"]))
            path = "" if href else _in_the_project(str(token.attrs["href"]))
            token.attrs["href"] = href
        if not path:
            result.append(token)
        elif token.type == "link_close":
            result, path = _named(result, path), ""
        elif token.type != "link_open":
            result.append(token)
    return result


def _served(href: str) -> str:
    """Return where a link leads on the served pages, empty for a file that is not served."""
    if href.startswith(STACK):
        return f"../{href.removeprefix(STACK)}"
    if href.startswith(("http://", "https://")):
        return href
    return "index.html" if href == "README.md" else re.sub(r"\.md\b", ".html", href) if href[:2].isdigit() else ""


def _in_the_project(href: str) -> str:
    """Return the path of a linked file from the project's folder."""
    return str((SOURCES / href.partition("#")[0]).resolve().relative_to(Path().resolve()))


def _named(tokens: list[Token], path: str) -> list[Token]:
    """Return the tokens of a link's text followed by the path; the path alone if the text is the file's name."""
    name = Token("code_inline", "code", 0, content=path)
    if tokens[-1].type == "code_inline" and tokens[-1].content == PurePosixPath(path).name:
        return [*tokens[:-1], name]
    return [*tokens, Token("text", "", 0, content=" ["), name, Token("text", "", 0, content="]")]


if __name__ == "__main__":
    write()
