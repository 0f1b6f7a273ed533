"""Exit a process that cannot start, and print file, line and cause instead of a long traceback."""

import inspect
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PACKAGES = ("site-packages", "dist-packages")
STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep


class DeclarationError(TypeError):
    """A task declaration is invalid. function: the declared function."""

    def __init__(self, function: Any, reason: object) -> None:
        super().__init__(f"{function.__module__}.{function.__qualname__}: {reason}")
        self.function = function


@contextmanager
def explained() -> Iterator[None]:
    """Exit with explain() if the block raises an error, or if a module that it imports calls sys.exit()."""
    try:
        yield
    except SystemExit as error:
        if str(error.code).startswith("glassqueue: "):  # already explained
            raise
        sys.exit(explain(error))
    except Exception as error:
        sys.exit(explain(error))


def in_library(file: str) -> bool:
    """Tell whether a file belongs to Python or to an installed package, and not to a user."""
    return file.startswith(STANDARD_LIBRARY) or any(f"{os.sep}{name}{os.sep}" in file for name in PACKAGES)


def explain(error: BaseException) -> str:
    """Return the place of an error in the project's code, the line there, and the error itself."""
    cause = traceback.format_exception_only(error)[-1].strip()
    file, number, line = _place(error)
    return f"glassqueue: cannot start: {_relative(file)}, line {number}:\n    {line.strip()}\n{cause}"


def _place(error: BaseException) -> tuple[str, int, str]:
    """Return file, line number and text of the line that the user has to fix."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0, error.text or ""
    if isinstance(error, DeclarationError):
        return declared_at(error.function)
    frames = traceback.extract_tb(error.__traceback__)
    # a task's code may be outside of the project (TASK_PATH); a name such as <frozen importlib> is no file
    ours = [frame for frame in frames if os.path.isabs(frame.filename) and not in_library(frame.filename)] or frames
    # during imports, blame the innermost module that cannot be imported, not the code that it calls
    loading = [frame for frame in ours if frame.name == "<module>"]
    frame = (loading or ours)[-1]
    return frame.filename, frame.lineno or 0, frame.line or ""


def declared_at(function: Any) -> tuple[str, int, str]:
    """Return file, line number and first line of a function."""
    inner = inspect.unwrap(getattr(function, "__func__", function))
    return inner.__code__.co_filename, inner.__code__.co_firstlineno, f"def {inner.__name__}(…)"


def _relative(file: str) -> str:
    return os.path.relpath(file, ROOT) if file.startswith(f"{ROOT}{os.sep}") and not in_library(file) else file
