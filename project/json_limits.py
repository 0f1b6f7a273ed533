"""What counts as JSON here: Python's parser also reads NaN, lone surrogates, and more levels than others can."""

import json
from typing import Any

MOST_LEVELS = 100  # lists and objects within each other: pydantic writes 255, and some clients' parsers read 128
TOO_DEEP = "…"
NOT_JSON = f"Input should be JSON: text, finite numbers, and at most {MOST_LEVELS} levels of lists and objects"

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def is_json(value: Any) -> bool:
    """Tell whether what Python's parser has returned can be stored and sent as JSON."""
    try:
        text = _ENCODER.encode(value)
        text.encode()  # fails for lone surrogates
    except (ValueError, RecursionError):
        return False
    return not (may_be_deep(text) and _is_deep(value))


def may_be_deep(text: str) -> bool:
    """Tell whether JSON may have more than MOST_LEVELS; this takes less time than to look at each value."""
    return text.count("[") + text.count("{") > MOST_LEVELS


def cut(value: Any, levels: int = MOST_LEVELS) -> Any:
    """Return a value of JSON with TOO_DEEP in place of what is nested too deeply."""
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return TOO_DEEP
    if isinstance(value, dict):
        return {name: cut(each, levels - 1) for name, each in value.items()}
    return [cut(each, levels - 1) for each in value]


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [each for outer in level for each in _inner(outer)]
    return any(isinstance(each, dict | list) for each in level)


def _inner(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
