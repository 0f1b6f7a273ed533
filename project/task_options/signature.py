"""Build the model of a request body from a task's signature."""

import inspect
from functools import cache
from typing import Any, get_type_hints

from celery import Task
from pydantic import ConfigDict, ValidationError, create_model, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from project.json_limits import NOT_JSON, is_json
from project.startup import DeclarationError
from project.task_options.body_limits import Limited, bounded
from project.task_options.secret import revealed


class Arguments(Limited):
    """The base of every task's request body; nothing in it is refused later, when it is stored or sent."""

    # strict: "10" is not a number; forbid: an unknown field is an error
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _whole_numbers_are_integers(cls, body: Any) -> Any:
        """Accept 10.0 as the integer 10, as JSON Schema does: JSON has one type of number."""
        if not isinstance(body, dict):
            return body
        return {k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in body.items()}

    @model_validator(mode="before")
    @classmethod
    def _is_json(cls, body: Any) -> Any:
        if isinstance(body, dict) and not is_json(body):
            error = PydanticCustomError("not_json", NOT_JSON)
            names = [name for name, value in body.items() if is_json(name) and not is_json(value)]
            if not names:  # it is a name, or all levels together
                raise error
            raise ValidationError.from_exception_data(
                cls.__name__, [InitErrorDetails(type=error, loc=(name,), input=None) for name in names]
            )
        return body


def arguments_model(task: Task) -> type[Arguments]:
    """Return the model of the request body: an announced task (celery_config/announced.py) has its own."""
    return getattr(task, "arguments_model", None) or _model_of_signature(task)


def is_optional(model: type[Arguments]) -> bool:
    """Tell whether a request may leave out the body, because no argument is required."""
    return getattr(model, "__optional__", not any(field.is_required() for field in model.model_fields.values()))


def parameter_names(model: type[Arguments]) -> tuple[str, ...]:
    """Return the names of the arguments in the order of the declaration."""
    return getattr(model, "__announced__", tuple(model.model_fields))


@cache
def _model_of_signature(task: Task) -> type[Arguments]:
    """Return a model with one field per parameter of the task."""
    hints = get_type_hints(task.run, include_extras=True)
    parameters = inspect.signature(task.run).parameters.values()
    fields: dict[str, Any] = {p.name: (_annotation(task, p, hints), _default(p)) for p in parameters}
    name = "".join(word.capitalize() for word in task.name.split("_"))
    return create_model(f"{name}Arguments", __base__=Arguments, __doc__=f"The arguments of {task.name}.", **fields)


def result_type(task: Task) -> Any:
    """Return the annotation of the task's return value."""
    if announced := getattr(task, "result_type", None):
        return announced
    return get_type_hints(task.run).get("return", Any)


def summary(task: Task) -> str:
    """Return the first line of the task's docstring, without its full stop."""
    if announced := getattr(task, "summary", None):
        return str(announced)
    return (inspect.getdoc(task.run) or task.name).splitlines()[0].removesuffix(".")


def _annotation(task: Task, parameter: inspect.Parameter, hints: dict[str, Any]) -> Any:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or parameter.name not in hints:
        raise DeclarationError(task.run, f"with a route, its parameter {parameter.name!r} needs a name and a type")
    return revealed(bounded(hints[parameter.name]))


def _default(parameter: inspect.Parameter) -> Any:
    return ... if parameter.default is parameter.empty else parameter.default
