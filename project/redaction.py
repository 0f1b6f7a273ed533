"""Hide secret arguments wherever jobs are shown: in the API, in Flower and on the page. The task gets the true values.

An argument is secret if a word of its name says so, at any depth, or if its task marks it (task_options/secret.py).
Lone surrogates, which cannot be sent, become question marks.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

MASK = "••••"
WORDS = frozenset({"password", "passwords", "token", "tokens", "secret", "secrets", "authorization", "key", "keys"})
LONGEST = 200  # characters of a name that are looked at
DEEPEST = 50  # levels of nesting that are shown


def is_secret(name: str, marked: Collection[str] = ()) -> bool:
    """Tell whether an argument of this name is secret: api_key and apiKey are, monkey is not."""
    return name in marked or _names_a_secret(name[:LONGEST])


@lru_cache(4096)
def _names_a_secret(name: str) -> bool:
    words = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3 \2\4", name)
    return not WORDS.isdisjoint(re.split(r"[^a-z0-9]+|(?<=[a-z])(?=[0-9])", words.lower()))


def redacted(value: Any, marked: Collection[str] = (), depth: int = DEEPEST) -> Any:
    """Return a value of JSON with MASK in place of secret values."""
    if not depth:
        return "…"
    if isinstance(value, dict):
        return {_sendable(name): _masked(name, each, marked, depth) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(each, marked, depth - 1) for each in value]
    return _sendable(value)


def _sendable(value: Any) -> Any:
    plain = not isinstance(value, str) or value.isascii()
    return value if plain else value.encode(errors="replace").decode()


def _masked(name: Any, value: Any, marked: Collection[str], depth: int) -> Any:
    return MASK if value is not None and is_secret(str(name), marked) else redacted(value, marked, depth - 1)


def restored(edited: Any, original: Any) -> Any:
    """Return edited arguments with the original value wherever they still have MASK."""
    if edited == MASK:
        return original
    if isinstance(edited, dict) and isinstance(original, dict):
        return {name: restored(value, original[name]) if name in original else value for name, value in edited.items()}
    if isinstance(edited, list) and isinstance(original, list) and len(edited) == len(original):
        return [restored(*pair) for pair in zip(edited, original, strict=True)]
    return edited


def redacted_call(args: Any, kwargs: Any, parameters: list[str], marked: Collection[str]) -> tuple[Any, Any]:
    """Return positional and keyword arguments without secrets; parameters: the names of the positional ones."""
    args = tuple(args or ())
    names = [*parameters, *map(str, range(len(args)))][: len(args)] if args else []
    pairs = zip(names, args, strict=True)
    return tuple(_masked(name, value, marked, DEEPEST) for name, value in pairs), redacted(dict(kwargs or {}), marked)
