"""List the libraries that this process has loaded, so that processes can load them before the code of the project."""

import sys
from pathlib import Path

from project.startup import in_library


def write(folder: Path) -> Path:
    """Write the names of all modules from packages and the standard library to a file, in their order."""
    file = folder / "libraries.txt"
    file.write_text("".join(f"{name}\n" for name, module in list(sys.modules.items()) if is_library(name, module)))
    return file


def is_library(name: str, module: object) -> bool:
    """Tell whether a module stays the same while the stack runs; a task's code may be anywhere."""
    if name == "__main__" or name.partition(".")[0] == "project":
        return False
    path = getattr(module, "__file__", None)
    return not path or in_library(path)
