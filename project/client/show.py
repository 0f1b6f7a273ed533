"""Jobs and tables as text."""

import json
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from project.job_models import Job

BAR = 20  # characters
HEAD = ("job", "task", "status", "submitted", "")


def as_json(value: Any, indent: int | None = None) -> str:
    """Return a value, which may contain models, as JSON."""
    return json.dumps(value, default=lambda model: model.model_dump(mode="json"), indent=indent)


def print_error(text: object) -> None:
    """Print one line on standard error."""
    print(f"glassqueue: {printable(text)}", file=sys.stderr, flush=True)


def print_traceback(text: str) -> None:
    """Print a traceback on standard error, line by line."""
    print("\n".join(map(printable, text.splitlines())), file=sys.stderr, flush=True)


def printable(value: object) -> str:
    """Return a value as one line of text; control characters must not reach the terminal."""
    return "".join(character if character.isprintable() else " " for character in str(value))


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """Return the lines of a table."""
    cells = [[name.upper() for name in head], *(list(map(printable, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


def job_row(job: Job[Any]) -> tuple[str, ...]:
    """Return a job as a row under HEAD."""
    return job.job_id, job.task, job.status, moment(job.submitted_at), outcome(job)


def outcome(job: Job[Any]) -> str:
    """Return the result or error of a job, or its progress."""
    if job.error:
        return f"{job.error.type}: {job.error.message}"
    if job.progress and not job.ready:
        done = int(job.progress.fraction * BAR)
        return f"[{'#' * done}{'-' * (BAR - done)}] {job.progress.fraction:4.0%}  {job.progress.text}"
    if "result" in getattr(job, "omitted", ()):
        return "(a long result: get the job to see it)"
    return json.dumps(job.result, ensure_ascii=False) if job.status == "SUCCESS" else ""


def moment(at: datetime) -> str:
    """Return a time, UTC, to the second."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
