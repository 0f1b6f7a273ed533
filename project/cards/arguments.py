"""The request model of an announced task: like that of a local one, but a JSON Schema validates the arguments."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, ClassVar, Self

from jsonschema_rs import Draft202012Validator
from jsonschema_rs import ValidationError as SchemaError
from pydantic import ConfigDict, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from project.cards.card import BadCard
from project.cards.schemas import inlined, validator
from project.task_options.body_limits import MOST_ERRORS, MOST_KEYS
from project.task_options.signature import Arguments

TYPES = {"integer": "integer", "number": "number", "string": "string", "boolean": "boolean"}
TYPES |= {"array": "list", "object": "dictionary"}


class AnnouncedArguments(Arguments):
    """The base of the request bodies of announced tasks."""

    model_config = ConfigDict(extra="allow")  # the schema decides

    __announced__: ClassVar[tuple[str, ...]] = ()
    __optional__: ClassVar[bool] = False
    __schema__: ClassVar[dict[str, Any]] = {}
    __validator__: ClassVar[Draft202012Validator]

    @model_validator(mode="after")
    def _matches_the_schema(self) -> Self:
        body = self.__pydantic_extra__ or {}
        if errors := list(islice(_errors(self.__validator__, body), MOST_ERRORS)):
            raise ValidationError.from_exception_data("arguments", errors)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the card's schema."""
        return cls.__schema__


def model_of(name: str, schema: dict[str, Any]) -> type[AnnouncedArguments]:
    """Return the request model for the arguments of a card, or raise BadCard."""
    plain = inlined(schema)
    names = plain.get("properties", {})
    if plain.get("type") != "object" or not isinstance(names, dict):
        raise BadCard("arguments: must be the schema of an object with properties")
    if len(names) > MOST_KEYS or not all(each.isidentifier() for each in names):
        raise BadCard(f"arguments: at most {MOST_KEYS} properties, whose names are valid Python identifiers")
    check = validator(plain)
    fields = {"__announced__": tuple(names), "__schema__": plain, "__validator__": check}
    fields |= {"__optional__": check.is_valid({}), "__module__": __name__, "__doc__": f"The arguments of {name}."}
    return type(f"{_class_name(name)}Arguments", (AnnouncedArguments,), fields)


def result_of(name: str, schema: dict[str, Any]) -> type:
    """Return a type for the results of a card, which are not validated, or raise BadCard."""
    plain = inlined(schema)
    validator(plain)

    class Result:
        @classmethod
        def __get_pydantic_core_schema__(cls, *_: Any) -> CoreSchema:
            """Accept anything."""
            return core_schema.any_schema()

        @classmethod
        def __get_pydantic_json_schema__(cls, *_: Any) -> dict[str, Any]:
            """Return the card's schema."""
            return plain

    Result.__name__ = Result.__qualname__ = f"{_class_name(name)}Result"
    return Result


def _class_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.replace(".", "_").replace("-", "_").split("_"))


def _errors(check: Draft202012Validator, body: dict[str, Any]) -> Iterator[InitErrorDetails]:
    """Yield what is wrong with a body, in the words that pydantic has for local tasks, without the values."""
    for error in check.iter_errors(body):
        yield from _explained(error)


def _explained(error: SchemaError) -> Iterator[InitErrorDetails]:
    place, kind = tuple(error.instance_path), error.kind.as_dict()
    name = type(error.kind).__name__
    if name == "Required":
        yield _detail((*place, kind["property"]), "Field required")
    elif name in ("AdditionalProperties", "UnevaluatedProperties"):
        yield from (_detail((*place, key), "Extra inputs are not permitted") for key in kind["unexpected"])
    else:
        yield _detail(place, WORDS[name](kind) if name in WORDS else f"Input does not match {error.schema_path[-1]}")


def _type(kind: dict[str, Any]) -> str:
    names = [TYPES.get(each, each) for each in kind["types"]]
    return f"Input should be a valid {' or '.join(names)}"


def _options(kind: dict[str, Any]) -> str:
    *first, last = map(repr, kind["options"])
    return f"Input should be {', '.join(first)} or {last}" if first else f"Input should be {last}"


WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "Type": _type,
    "Enum": _options,
    "Constant": lambda kind: f"Input should be {kind['expected_value']!r}",
    "Minimum": lambda kind: f"Input should be greater than or equal to {kind['limit']}",
    "Maximum": lambda kind: f"Input should be less than or equal to {kind['limit']}",
    "ExclusiveMinimum": lambda kind: f"Input should be greater than {kind['limit']}",
    "ExclusiveMaximum": lambda kind: f"Input should be less than {kind['limit']}",
    "MultipleOf": lambda kind: f"Input should be a multiple of {kind['multiple_of']}",
    "MinLength": lambda kind: f"String should have at least {kind['limit']} characters",
    "MaxLength": lambda kind: f"String should have at most {kind['limit']} characters",
    "MinItems": lambda kind: f"List should have at least {kind['limit']} items after validation",
    "MaxItems": lambda kind: f"List should have at most {kind['limit']} items after validation",
    "Pattern": lambda kind: f"String should match pattern '{kind['pattern']}'",
    "Format": lambda kind: f"Input should be a valid {kind['format']}",
}


def _detail(place: tuple[str | int, ...], message: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("json_schema", message), loc=place, input=None)
