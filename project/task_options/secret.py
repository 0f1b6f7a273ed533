"""Secret arguments that their task marks: `password: SecretStr`, or `pin: Annotated[str, SECRET]` for any other type.

They are shown as ••••; the body gets the true value, a SecretStr if it declares one. See project/redaction.py.
"""

import inspect
from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import BaseModel, PlainSerializer, SecretBytes, SecretStr


class Secret:
    """The mark of a secret argument; the schema says so too, for producers without the task's code."""

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Return the schema of the argument, marked as pydantic marks a SecretStr."""
        return {**handler(schema), "writeOnly": True}


SECRET = Secret()


@cache
def marked(function: Callable[..., Any]) -> frozenset[str]:
    """Return the names that are marked in a signature, or in the models that it uses."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception:  # a task without a route may have annotations that cannot be resolved
        return frozenset()
    return frozenset(_marked(hints, set()))


def _marked(hints: dict[str, Any], seen: set[Any]) -> Iterator[str]:
    for name, hint in hints.items():
        parts = list(_parts(hint))
        if any(part in (SecretStr, SecretBytes) or isinstance(part, Secret) for part in parts):
            yield name
        for model in parts:
            if isinstance(model, type) and issubclass(model, BaseModel) and model not in seen:
                seen.add(model)
                yield from _marked(get_type_hints(model, include_extras=True), seen)


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in (*get_args(hint), *getattr(hint, "__metadata__", ())):
        yield from _parts(part)


def revealed(hint: Any) -> Any:
    """Return an annotation that serializes a SecretStr in clear text, for the message of the job."""
    if SecretStr not in _parts(hint):
        return hint
    return Annotated[hint, PlainSerializer(_reveal, when_used="json")]


def _reveal(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return [_reveal(each) for each in value] if isinstance(value, list | tuple) else value


def with_secrets(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gets a SecretStr for each parameter that is declared as one."""
    if not any("Secret" in str(hint) for hint in getattr(function, "__annotations__", {}).values()):
        return function
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        """Wrap the secrets and call the function."""
        bound = signature.bind(*args, **kwargs)
        hints = get_type_hints(function)
        for name, value in bound.arguments.items():
            if SecretStr in _parts(hints.get(name)) and isinstance(value, str):
                bound.arguments[name] = SecretStr(value)
        return function(*bound.args, **bound.kwargs)

    return call
