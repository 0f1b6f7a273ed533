"""Limits on request bodies, checked before pydantic validates them.

Validation runs in the event loop, where each error costs time, and bytes in the response.
"""

import enum
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import MaxLen
from pydantic import BaseModel, ValidationError, WrapValidator, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

MOST_KEYS, MOST_ERRORS = 100, 50
SCALARS = (str, bytes, int, float, NoneType, enum.Enum)


class Limited(BaseModel):
    """A model of a request body with at most MOST_KEYS keys."""

    @model_validator(mode="before")
    @classmethod
    def _has_few_keys(cls, body: Any) -> Any:
        if isinstance(body, dict) and len(body) > MOST_KEYS:
            raise PydanticCustomError("too_many_keys", f"Input should have at most {MOST_KEYS} keys, not {len(body)}")
        return body


def bounded(annotation: Any) -> Any:
    """Return a field's annotation that checks the length before the items, and reports at most MOST_ERRORS errors.

    pydantic itself checks the length last if a validator stands between the list and its Field(max_length=…).
    """
    if _is_scalar(annotation):
        return annotation
    metadata = FieldInfo.from_annotation(annotation).metadata
    longest = next((item.max_length for item in metadata if isinstance(item, MaxLen)), None)
    return Annotated[annotation, WrapValidator(_validator(longest))]


def _is_scalar(annotation: Any) -> bool:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _is_scalar(parts[0])
    if origin in (Union, UnionType):
        return all(map(_is_scalar, parts))
    return origin is Literal or (isinstance(annotation, type) and origin is None and issubclass(annotation, SCALARS))


def _validator(longest: int | None) -> Callable[[Any, Callable[[Any], Any]], Any]:
    def validate(value: Any, handler: Callable[[Any], Any]) -> Any:
        """Check the length, validate, and count the errors."""
        if longest is not None and isinstance(value, list | dict) and len(value) > longest:
            raise PydanticCustomError("too_long", f"Input should have at most {longest} items, not {len(value)}")
        try:
            return handler(value)
        except ValidationError as error:
            if error.error_count() > MOST_ERRORS:
                raise PydanticCustomError("too_many_errors", f"{error.error_count()} parts of it are invalid") from None
            raise

    return validate
