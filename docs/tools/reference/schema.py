"""JSON Schema in words, for the cells of a table."""

from typing import Any

_LIMITS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}


def in_words(schema: dict[str, Any]) -> str:
    """Describe the valid values: `integer, ≥ 0, ≤ 60`, `"a" or "b"`, `string or null`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(in_words(choice) for choice in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("format", schema.get("type", "any JSON"))
    if kind == "array":
        kind = f"array of {in_words(schema.get('items', {}))}"
    limits = [words.format(_number(schema[key])) for key, words in _LIMITS.items() if key in schema]
    return ", ".join([kind, *limits])


def table(*rows: tuple[str, ...]) -> str:
    """Return a Markdown table; the first row is its head."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines).replace("|  |", "| |") + "\n"


def fields(schema: dict[str, Any]) -> str:
    """Return the table of an object's fields."""
    required = schema.get("required", [])
    rows = [
        (f"`{name}`", in_words(field), _default(name in required, field), field.get("description", ""))
        for name, field in schema.get("properties", {}).items()
    ]
    return table(("field", "type", "default", "meaning"), *rows) if rows else "No fields.\n"


def _number(limit: float) -> str:
    """Format 60.0, as in OpenAPI, as 60."""
    return str(int(limit) if limit == int(limit) else limit)


def _default(required: bool, field: dict[str, Any]) -> str:
    return "required" if required or "default" not in field else f"`{field['default']}`"
