"""Check the followers that tasks declare: that they exist, accept what they get, and form no cycle."""

import inspect
from types import NoneType
from typing import Any, get_origin, get_type_hints

from celery import Celery

from project.startup import DeclarationError

_JSON = (str, int, float, bool, list, dict, NoneType)
_FIT = {(int, float), (bool, int)}  # (given, wanted): Python and JSON accept the one for the other


def check_followers(app: Celery) -> None:
    """Raise a TypeError that names the tasks if their run_after or on_failure cannot work."""
    declared = {name: task.followers.names for name, task in app.tasks.items() if hasattr(task, "followers")}
    for name, followers in declared.items():
        for option, follower in followers.items():
            _check_follower(app, name, option, follower)
    for name in sorted(declared):
        if cycle := _cycle(declared, [name]):
            raise TypeError(f"run_after and on_failure form a cycle: {' -> '.join(cycle)}")


def _check_follower(app: Celery, name: str, option: str, follower: str) -> None:
    prefix = f"task {name!r} declares {option}={follower!r}, but "
    function = app.tasks[name].run
    if follower not in app.tasks:
        raise DeclarationError(function, f"{prefix}there is no task of that name")
    task = app.tasks[follower]
    parameter = _only_parameter(task)
    if parameter is None:
        raise DeclarationError(function, f"{prefix}{follower!r} does not take exactly one argument without a default")
    given = get_type_hints(app.tasks[name].run).get("return", Any) if option == "run_after" else dict
    wanted = get_type_hints(task.run).get(parameter, Any)
    if not _fits(_json_type(given), _json_type(wanted)):
        raise DeclarationError(function, f"{prefix}{follower!r} takes {_name(wanted)} and would get {_name(given)}")


def _only_parameter(task: Any) -> str | None:
    """Return the name of the only required argument of a task, or None if there is not exactly one by position."""
    parameters = inspect.signature(task.run).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    required = [p for p in parameters if p.default is p.empty and p.kind not in variadic]
    if len(required) != 1 or required[0].kind is inspect.Parameter.KEYWORD_ONLY:
        return None
    return required[0].name


def _json_type(hint: Any) -> Any:
    """Return the JSON type of a hint, or None if it has no single one, such as a union or a model."""
    plain = get_origin(hint) or hint
    return plain if plain in _JSON else None


def _fits(given: Any, wanted: Any) -> bool:
    return None in (given, wanted) or given is wanted or (given, wanted) in _FIT


def _name(hint: Any) -> str:
    return "None" if hint is NoneType else getattr(hint, "__name__", str(hint))


def _cycle(declared: dict[str, dict[str, str]], path: list[str]) -> list[str]:
    """Return the names of a cycle that can be reached from the end of the path, or an empty list."""
    for follower in declared.get(path[-1], {}).values():
        if follower in path:
            return [*path[path.index(follower) :], follower]
        if found := _cycle(declared, [*path, follower]):
            return found
    return []
