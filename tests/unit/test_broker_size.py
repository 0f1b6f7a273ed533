"""The broker package stays small enough to be read in one sitting."""

import ast
from pathlib import Path

BROKER = Path("project/broker")
LIMIT = 1052  # lines of Python and Lua together, without blank lines, comments and docstrings; may only shrink


def test_the_broker_package_stays_small() -> None:
    """Its lines of code do not exceed the limit."""
    python = sum(_python(path.read_text()) for path in BROKER.glob("*.py"))
    lua = sum(_code(path.read_text().splitlines(), "--") for path in BROKER.glob("lua/*.lua"))
    assert python + lua <= LIMIT


def _python(source: str) -> int:
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            docstring = node.body[0]
            lines[docstring.lineno - 1 : docstring.end_lineno] = [""] * (docstring.end_lineno - docstring.lineno + 1)  # type: ignore[operator]
    return _code(lines, "#")


def _code(lines: list[str], comment: str) -> int:
    return sum(1 for line in lines if line.strip() and not line.strip().startswith(comment))
