"""Validate arguments also when the job runs: jobs that were not submitted over HTTP may not have been validated."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from pydantic import ConfigDict, ValidationError, validate_call


class BadArguments(ValueError):
    """The arguments of a job do not match the declaration of its task."""


def validated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with a check: arguments that do not match its annotations raise BadArguments."""
    strict = validate_call(config=ConfigDict(strict=True))(function)

    @wraps(function)
    def check(*args: Any, **kwargs: Any) -> Any:
        """Call the function with validated arguments."""
        try:
            return strict(*args, **kwargs)
        except ValidationError as error:
            # without the values, which may be private
            problems = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
            raise BadArguments("; ".join(problems)) from None

    return check
