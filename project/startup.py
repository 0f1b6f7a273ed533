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


class DeclarationError(TypeError):
    """A task declaration is invalid. function: the declared function."""

    def __init__(self, function: Any, reason: object) -> None:
        super().__init__(f"{function.__module__}.{function.__qualname__}: {reason}")
        self.function = function


@contextmanager
def explained() -> Iterator[None]:
    """Exit with explain() if the block raises an error."""
    try:
        yield
    except Exception as error:
        sys.exit(explain(error))


def explain(error: Exception) -> str:
    """Return the place of an error in the project's code, the line there, and the error itself."""
    cause = traceback.format_exception_only(error)[-1].strip()
    file, number, line = _place(error)
    return f"glassqueue: cannot start: {_relative(file)}, line {number}:\n    {line.strip()}\n{cause}"


def _place(error: Exception) -> tuple[str, int, str]:
    """Return file, line number and text of the line that the user has to fix."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0, error.text or ""
    if isinstance(error, DeclarationError):
        return declared_at(error.function)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _is_ours(frame.filename)] or frames
    # during imports, blame the innermost module that cannot be imported, not the code that it calls
    loading = [frame for frame in ours if frame.name == "<module>"]
    frame = (loading or ours)[-1]
    return frame.filename, frame.lineno or 0, frame.line or ""


def declared_at(function: Any) -> tuple[str, int, str]:
    """Return file, line number and first line of a function."""
    inner = inspect.unwrap(getattr(function, "__func__", function))
    return inner.__code__.co_filename, inner.__code__.co_firstlineno, f"def {inner.__name__}(…)"


def _is_ours(file: str) -> bool:
    return file.startswith(f"{ROOT}{os.sep}") and not any(f"{os.sep}{name}{os.sep}" in file for name in PACKAGES)


def _relative(file: str) -> str:
    return os.path.relpath(file, ROOT) if _is_ours(file) else file
