"""The process that runs the body of an isolated task; project/task_options/isolation.py starts it.

It imports the module of the task, but not Celery, which would take most of the time and which the body does not need. A
crash of this process harms no other job.
"""

import importlib
import json
import os
import resource
import signal
import sys
import threading
import traceback
from types import ModuleType
from typing import Any

from project import job_output, logs
from project.task_options.progress import report_to

GRACE = 5  # seconds after the time limit, when the kernel ends this process if its parent has not


def main(pipe: int, module: str, function: str) -> None:
    """Read limits and arguments from stdin, run the function, and write its progress and its result to the pipe."""
    order = json.loads(sys.stdin.buffer.readline())
    _limit(**order["limits"])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.modules["project.celery_config.task"] = _without_celery()
    _mark_output(order["job_id"], order["log_level"])
    with open(pipe, "w") as out:
        report_to(lambda progress: print(json.dumps({"progress": progress}), file=out, flush=True))
        try:
            body = getattr(importlib.import_module(module), function)
            outcome = json.dumps({"result": body(*order["args"], **order["kwargs"])})
        except Exception as error:
            outcome = json.dumps({"error": _described(error)})
        sys.stdout.flush()  # before the outcome: when the parent has read that, it kills this process
        sys.stderr.flush()
        print(outcome, file=out, flush=True)


def _mark_output(job_id: str, level: int) -> None:
    """Log as the parent does, and mark every line that is logged or printed with the job's id."""
    logs.to_stdout(level)
    job_output.mark_prints()
    job_output.run_one_at_a_time()
    if job_id:
        job_output.begin(job_id)


def _limit(memory_mb: int, seconds: float) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))
    # the kernel's timer works without the parent, and stops code that holds the interpreter's lock
    signal.alarm(int(seconds) + GRACE)


def _end_with_parent() -> None:
    """Kill this process and its children when stdin closes, because then the parent has ended."""
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def _without_celery() -> ModuleType:
    """Return a substitute for project.celery_config.task with a `shared_task` that returns the function."""
    job: Any = ModuleType("project.celery_config.task")
    job.shared_task = lambda **_: lambda function: function
    return job


def _described(error: Exception) -> dict[str, Any]:
    args = [arg if isinstance(arg, str | int | float | bool | None) else str(arg) for arg in error.args]
    text = "".join(traceback.format_exception(error))
    return {"module": type(error).__module__, "name": type(error).__name__, "args": args, "traceback": text}


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
