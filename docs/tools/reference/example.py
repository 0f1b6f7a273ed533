"""Create examples for JSON Schemas: their own, their default, or a simple value that fits type and limits."""

from typing import Any

_FORMATS = {
    "date": "2026-11-21",
    "date-time": "2026-11-21T07:13:33Z",
    "duration": "PT5M",
    "email": "ann@example.org",
    "time": "07:13:33Z",
    "uri": "https://example.org/",
    "uuid": "1cae9e36-ed1b-8595-2866-69340225e6bb",
}
_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def example(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Return an example of *schema*; *root* is the document that its references point into.

    It cannot derive a value from a pattern: such a field needs `examples`.
    """
    if "examples" in schema:
        return schema["examples"][0]
    if "default" in schema:
        return schema["default"]
    if "$ref" in schema:
        return example(_resolve(schema["$ref"], root), root)
    if "const" in schema or "enum" in schema:
        return schema["enum"][0] if "enum" in schema else schema["const"]
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return example(schema[name][0], root)
    return _of_type(schema, root)


def _of_type(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    match schema.get("type"):
        case "integer" | "number":
            return _number(schema)
        case "string":
            return _text(schema)
        case "boolean":
            return True
        case "array":
            items = schema.get("prefixItems") or [schema.get("items", {})] * max(1, schema.get("minItems", 1))
            return [example(item, root) for item in items]
        case "object":
            required = schema.get("required", [])
            return {name: example(schema.get("properties", {}).get(name, {}), root) for name in required}
    return None


def _number(schema: dict[str, Any]) -> float:
    """Return 1 if it is within the limits, else a limit or a value between them."""
    step, limits = schema.get("multipleOf", 1), [schema[name] for name in _LIMITS if name in schema]
    candidates = [1, *limits, *(limit + step - limit % step for limit in limits), *(limit - step for limit in limits)]
    candidates.append(sum(limits) / len(limits) if limits else 0)
    return next((number for number in candidates if _fits(number, schema)), 1)


def _fits(number: float, schema: dict[str, Any]) -> bool:
    if number % schema.get("multipleOf", number or 1):
        return False
    if schema["type"] == "integer" and number != int(number):
        return False
    return schema.get("minimum", number) <= number <= schema.get("maximum", number) and schema.get(
        "exclusiveMinimum", number - 1
    ) < number < schema.get("exclusiveMaximum", number + 1)


def _text(schema: dict[str, Any]) -> str:
    text = _FORMATS.get(schema.get("format", ""), "text")
    return text.ljust(schema.get("minLength", 0), "t")[: schema.get("maxLength")]


def _resolve(reference: str, root: dict[str, Any]) -> dict[str, Any]:
    found: Any = root
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)
