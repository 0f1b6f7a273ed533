"""Check what a `check` block of a lab says about numbers that its commands have printed.

A line of output `name: number` gives a name to a number; so do numbers in JSON. Settings of `make up` have their own
names. A check is a comparison in Python's notation, one to a line, `#` begins a comment: `next_start <= LEASE * 4/3 + 5`.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

_NUMBER = re.compile(r'^"?(\w+)"?: ?(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\b|"(\w+)": ?(-?\d+(?:\.\d+)?)', re.MULTILINE)
_OPERATIONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
}


def numbers(output: str) -> dict[str, float]:
    """Return the named numbers in what a command has printed; of several with one name, the last."""
    return {found[1] or found[3]: float(found[2] or found[4]) for found in _NUMBER.finditer(output)}


def check(block: str, known: Mapping[str, float]) -> list[str]:
    """Return each line of a block with its numbers put in; raise AssertionError for one that does not hold."""
    return [_checked(line, known) for raw in block.splitlines() if (line := raw.partition("#")[0].strip())]


def _checked(line: str, known: Mapping[str, float]) -> str:
    tree = ast.parse(line, mode="eval").body
    if not isinstance(tree, ast.Compare):
        raise ValueError(f"{line}: a check is a comparison, such as `slow > 2 * fast`")
    values = [_value(side, known) for side in (tree.left, *tree.comparators)]
    holds = all(_OPERATIONS[type(op)](*pair) for op, pair in zip(tree.ops, pairwise(values), strict=True))
    shown = re.sub(r"[A-Za-z_]\w*", lambda name: f"{name[0]} ({known[name[0]]:g})", line)
    assert holds, f"does not hold: {shown}"
    return shown


def _value(node: ast.AST, known: Mapping[str, float]) -> Any:
    match node:
        case ast.Constant(value=float() | int()):
            return node.value
        case ast.Name():
            return known[node.id]
        case ast.BinOp():
            return _OPERATIONS[type(node.op)](_value(node.left, known), _value(node.right, known))
    raise ValueError(f"a check has no {type(node).__name__}")
