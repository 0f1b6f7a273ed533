"""What breakpoint() does in a job: it asks in the consumer's terminal, or says that there is none.

Python's own hook would read the end of the input of a consumer without a terminal, and stop the job with BdbQuit.
"""

import os
import pdb
import sys
from typing import Any


def connect() -> None:
    """Take the place of Python's hook, unless PYTHONBREAKPOINT names another debugger."""
    if "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = _ask


def _ask(*_: Any, **__: Any) -> None:
    if not (sys.stdin and sys.stdin.isatty()):
        raise RuntimeError("breakpoint() needs a terminal, and this consumer has none: see `make debug`")
    # not sys.stdout: it gives out whole lines only (project/job_output.py), and a prompt is none; Ctrl-C stays Celery's
    pdb.Pdb(stdin=sys.stdin, stdout=sys.__stdout__, nosigint=True).set_trace(sys._getframe(1))
