"""Compile the code once for all processes that a change restarts.

Python recognizes a compiled file by the time and the size of its source, and two changes within a second may have both
in common. So these processes write none, and read files that carry a hash of the source instead (PEP 552).
"""

import py_compile
import sys
from contextlib import suppress
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

from project.native.preload import is_library

CHECKED_HASH = MAGIC_NUMBER + b"\3\0\0\0"  # the first bytes of a compiled file that carries a hash


def store() -> None:
    """Compile each loaded module that is no library, unless its compiled file is up to date, or cannot be written."""
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None) or ""
        if path.endswith(".py") and not is_library(name, module) and not _is_current(path):
            with suppress(OSError):
                py_compile.compile(path, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)


def _is_current(path: str) -> bool:
    compiled = Path(cache_from_source(path))
    return compiled.exists() and compiled.read_bytes()[:16] == CHECKED_HASH + source_hash(Path(path).read_bytes())
