"""Make the JSON Schemas of a card safe: no remote references, no recursion, a limited size.

References to `$defs` are replaced by their definitions. So validation follows no references, and OpenAPI can contain
the schema as it is.
"""

from typing import Any

from jsonschema_rs import Draft202012Validator, ReferencingError, RegexOptions
from jsonschema_rs import ValidationError as SchemaError

from project.cards.card import BadCard

MOST_NODES, DEEPEST = 5000, 40  # after all references are replaced
LOCAL = "#/$defs/"
VALUES = frozenset({"const", "default", "enum", "example", "examples"})  # keywords with values, not schemas
MAPS = frozenset({"dependentSchemas", "patternProperties", "properties"})  # keywords with a schema per name
NOT_HERE = frozenset({"$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveRef", "$schema", "$vocabulary"})
DROPPED = frozenset({"$comment", "$defs", "discriminator", "$ref"})


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without references, or raise BadCard."""
    definitions = schema.get("$defs", {})
    if not isinstance(definitions, dict):
        raise BadCard("$defs: must be an object")
    return dict(_Inliner(definitions).schema(schema, ()))


class _Inliner:
    """Replace references, and count the nodes of the resulting schema."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions, self._count = definitions, 0

    def schema(self, node: Any, path: tuple[str, ...], depth: int = 0) -> Any:
        """Return a schema, or a list of schemas, without references; path: the definitions around it."""
        self._count += 1
        if self._count > MOST_NODES or depth > DEEPEST:
            raise BadCard(f"a schema is too large: at most {MOST_NODES} parts, {DEEPEST} deep")
        if isinstance(node, list):
            return [self.schema(each, path, depth + 1) for each in node]
        if not isinstance(node, dict):
            return node
        if refused := NOT_HERE & node.keys():
            raise BadCard(f"{min(refused)}: not supported in a card")
        plain = {key: self._value(key, node[key], path, depth + 1) for key in node if key not in DROPPED}
        return self._referred(node["$ref"], plain, path, depth + 1) if "$ref" in node else plain

    def _value(self, keyword: str, value: Any, path: tuple[str, ...], depth: int) -> Any:
        if keyword in VALUES:
            return value
        if keyword in MAPS and isinstance(value, dict):
            return {name: self.schema(each, path, depth) for name, each in value.items()}
        return self.schema(value, path, depth)

    def _referred(self, reference: Any, beside: dict[str, Any], path: tuple[str, ...], depth: int) -> dict[str, Any]:
        """Return the schema that a reference names, together with the keywords beside the reference."""
        name = reference.removeprefix(LOCAL) if isinstance(reference, str) and reference.startswith(LOCAL) else None
        if name not in self._definitions:
            raise BadCard(f"$ref: only definitions of the card itself can be referred to ({LOCAL}…)")
        if name in path:
            raise BadCard(f"$ref: {name} contains itself")
        referred = self.schema(self._definitions[name], (*path, name), depth)
        if not isinstance(referred, dict):
            raise BadCard(f"$defs.{name}: must be an object")
        same = referred.keys() & beside.keys() - {"default", "description", "examples", "title"}
        return {"allOf": [referred], **beside} if same else referred | beside


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Return the validator of a schema without references, or raise BadCard."""
    try:
        # regular expressions without look-around, which match in linear time
        return Draft202012Validator(
            schema, validate_formats=True, offline=True, pattern_options=RegexOptions(size_limit=2**20)
        )
    except (SchemaError, ReferencingError, ValueError, TypeError) as error:
        raise BadCard(f"not a valid JSON Schema: {str(error).splitlines()[0][:200]}") from None
