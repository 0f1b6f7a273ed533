"""Import libraries, wait, then run a Python script: when the code changes, it starts in a fraction of the time.

    python warm.py FD FILE SCRIPT ARGUMENTS...

FILE has the names of modules that do not change while the stack runs, one per line. The script runs as `python SCRIPT
ARGUMENTS...` would run it. FD is a socket: this program sends a byte when it has imported the modules, then waits for
one.
"""

import gc
import os
import runpy
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path


def main(go: int, file: str, command: list[str]) -> None:
    """Import, wait, run."""
    sys.path[0] = os.getcwd()  # instead of this folder, whose modules nobody imports by their short names
    for name in Path(file).read_text().split():
        with suppress(Exception):  # then the script imports it, and reports the error
            import_module(name)
    gc.freeze()  # so that garbage collections during the rest of the start pass over what has been imported
    with socket.socket(fileno=go) as launcher:
        launcher.send(b".")
        if not launcher.recv(1):
            return  # the launcher has ended
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
