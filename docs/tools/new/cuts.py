"""Remove a part from the files of a copy of the project, as parts.toml says."""

import ast
import re
import shutil
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

TABLE: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("parts.toml").read_text())
PARTS = [name for name in TABLE if name != "always" and "+" not in name]
SETTINGS, EXAMPLE, COMPOSE = "project/settings.py", ".env.example", "docker-compose.yml"


class NotFoundError(LookupError):
    """An entry of parts.toml that fits nothing: the code has changed since."""


def chosen(without: Iterable[str]) -> list[str]:
    """Return the entries of the table for the parts that are not wanted; those with a + need all their parts."""
    without = set(without)
    return ["always", *(name for name in TABLE if name != "always" and set(name.split("+")) <= without)]


def cut(root: Path, entry: dict[str, Any]) -> None:
    """Remove everything that an entry of the table names; raise NotFoundError for what is not there."""
    for file, names in entry.get("names", {}).items():
        _cut_names(root / file, names)
    if settings := entry.get("settings"):
        _cut_settings(root, settings)
    for name in entry.get("services", []):
        _edit(root, COMPOSE, rf"(?m)^  {name}:\n(?:    .*\n|\n(?=    ))*\n?", "", name)
    for name in entry.get("targets", []):
        _edit(root, "Makefile", rf"(?m)^{name}: .*\n(?:\t.*\n)*\n?", "", name)
        _edit(root, "Makefile", rf"(?<=PHONY:)(.*?) {name}(?=\s)", r"\1", name)
    for file, pattern in entry.get("lines", []):
        _edit(root, file, rf"(?m){pattern}\n", "", pattern)
    for file, old, new in entry.get("replace", []):
        _edit(root, file, re.escape(old), new, old)
    for name in entry.get("files", []):
        _remove(root / name)


def _edit(root: Path, file: str, pattern: str, new: str, shown: str) -> None:
    path = root / file
    text, found = re.subn(pattern, new if r"\1" in new else lambda _: new, path.read_text())
    if not found:
        raise NotFoundError(f"{file}: {shown}")
    path.write_text(text)


def _remove(path: Path) -> None:
    if not path.exists():
        raise NotFoundError(str(path))
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _cut_names(path: Path, names: Iterable[str]) -> None:
    """Remove functions, methods, classes, constants and fields, with their decorators and the comments above them."""
    lines = path.read_text().splitlines(keepends=True)
    statements = (node for node in ast.walk(ast.parse("".join(lines))) if isinstance(node, ast.stmt))
    nodes = {name: node for node in statements for name in _names_of(node)}
    for name in names:
        if name not in nodes:
            raise NotFoundError(f"{path}: {name}")
        node = nodes[name]
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))]) - 1
        while first and lines[first - 1].lstrip().startswith("#"):
            first -= 1
        last = node.end_lineno or node.lineno
        lines[first:last] = [""] * (last - first)
    path.write_text("".join(lines))


def _names_of(node: ast.stmt) -> list[str]:
    """Return the names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _cut_settings(root: Path, patterns: list[str]) -> None:
    """Remove settings from the class and, with the comments above them, from .env.example."""
    fields = re.findall(r"(?m)^    (\w+): .* = ", (root / SETTINGS).read_text())
    for pattern in patterns:
        if not (names := [name for name in fields if fnmatch(name, pattern)]):
            raise NotFoundError(f"{SETTINGS}: {pattern}")
        for name in names:
            _edit(root, SETTINGS, rf"(?m)^    {name}: .*\n", "", name)
            _edit(root, EXAMPLE, rf"(?m)(?:^# (?!---).*\n)*^#{name.upper()}=.*\n", "", name)
