"""Let breakpoint() in a job open a debugger in the consumer's terminal, or fail with a clear error without one.

Python's own hook would read end-of-file from a consumer without a terminal, and stop the job with BdbQuit.
"""

import os
import pdb
import sys
from typing import Any


def connect() -> None:
    """Replace Python's hook, unless PYTHONBREAKPOINT names another debugger."""
    if "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = _ask


def _ask(*_: Any, **__: Any) -> None:
    if not (sys.stdin and sys.stdin.isatty()):
        raise RuntimeError("breakpoint() needs a terminal, and this consumer has none; run the job with `make debug`")
    # not sys.stdout, which prints only whole lines (project/job_output.py), and a prompt is not one;
    # nosigint, so that Ctrl-C still stops the consumer
    pdb.Pdb(stdin=sys.stdin, stdout=sys.__stdout__, nosigint=True).set_trace(sys._getframe(1))
