"""Arguments that are checked when the job runs, too: `.delay()` and other ways in than HTTP may not have done it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from pydantic import ConfigDict, ValidationError, validate_call


class BadArguments(ValueError):
    """A job's arguments are not what its task declares."""


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a task's function begin only with arguments that fit its annotations; others raise BadArguments."""
    validated = validate_call(config=ConfigDict(strict=True))(function)

    @wraps(function)
    def check(*args: Any, **kwargs: Any) -> Any:
        try:
            return validated(*args, **kwargs)
        except ValidationError as error:
            # without the values: mail is nobody's business
            problems = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
            raise BadArguments("; ".join(problems)) from None

    return check
