"""The examples of the reference for tasks that give none."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, EmailStr, Field, TypeAdapter

from docs.tools.reference.example import example


class Point(BaseModel):
    """A model inside of another type."""

    x: int
    y: float = 0


TYPES = [
    list[float], int, float, bool, str, EmailStr, date, datetime, UUID, Point, list[Point], dict[str, int], Any,
    tuple[int, str], Literal["a", "b"], int | None, Annotated[int, Field(ge=5)], Annotated[int, Field(gt=1, le=3)],
    Annotated[float, Field(gt=0, lt=1)], Annotated[int, Field(lt=-3)], Annotated[int, Field(ge=2, multiple_of=7)],
    Annotated[str, Field(max_length=2)], Annotated[str, Field(min_length=9)], Annotated[list[int], Field(min_length=3)],
]  # fmt: skip


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_an_example_is_valid(kind: Any) -> None:
    """The type accepts what its schema is read to accept."""
    adapter = TypeAdapter(kind)
    schema = adapter.json_schema()
    adapter.validate_python(example(schema, schema))


def test_an_array_has_an_item() -> None:
    """The mean of no numbers, as in the tutorial, would be an error."""
    schema = TypeAdapter(list[float]).json_schema()
    assert example(schema, schema) == [1]


def test_an_example_that_is_declared_comes_first() -> None:
    """Before the default."""
    schema = TypeAdapter(Annotated[int, Field(default=3, examples=[7])]).json_schema()
    assert example(schema, schema) == 7
