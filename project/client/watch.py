"""Watch jobs: a table that is redrawn on a terminal, else one line per change."""

import shutil
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from project.client.api import Client, ProblemError
from project.client.show import HEAD, as_json, job_row, moment, outcome, printable, table
from project.job_models import Job

REFRESH = 2  # seconds after which the table is read again without a change: one may have been missed
PAUSE = 0.2  # seconds between two redraws


class Screen:
    """Lines on a terminal that replace the previous ones."""

    def __init__(self) -> None:
        self._height = 0

    def draw(self, lines: list[str]) -> None:
        """Draw as many of the lines as fit."""
        shown = lines[: shutil.get_terminal_size().lines - 1]
        up = f"\x1b[{self._height}A" if self._height else ""
        # ?7l cuts lines that are too long: a wrapped line would shift the next redraw
        print(f"{up}\x1b[J\x1b[?7l" + "\n".join(shown) + "\x1b[?7h", flush=True)
        self._height = len(shown)


def watch_job(client: Client, job_id: str, raw: bool) -> Job[Any]:
    """Show a job until it has ended, and return it; raw: print one line of JSON per event."""
    screen = Screen() if sys.stdout.isatty() and not raw else None
    job, last = client.get(job_id), ""
    for event in client.follow(job_id):
        job = event if isinstance(event, Job) else job.model_copy(update={"status": event.status, "progress": None})
        line = as_json(event) if raw else printable(f"{job.status:<8} {outcome(job)}").rstrip()
        if screen:
            screen.draw([f"{job_id}  {job.task}  {line}"])
        elif line != last:
            print(line, flush=True)
        last = line
    return job


def watch_all(client: Client, raw: bool) -> None:
    """Show the changes of all jobs until Ctrl-C."""
    if sys.stdout.isatty() and not raw:
        _watch_table(client)
    for event in client.follow():
        print(as_json(event) if raw else _line(event), flush=True)


def _line(event: Any) -> str:
    where = event.consumer or event.queue or ""
    return printable(f"{moment(event.at)}  {event.status:<8} {event.job_id}  {event.task}  {where}")


def _watch_table(client: Client) -> None:
    screen, changed, lines = Screen(), threading.Event(), [""]
    threading.Thread(target=_notify, args=(client, changed), daemon=True).start()
    while True:
        changed.clear()
        try:
            limit = max(1, min(200, shutil.get_terminal_size().lines - 3))
            lines = ["", *table(HEAD, map(job_row, client.jobs(limit=limit).jobs))]
        except ProblemError as problem:
            if not problem.temporary:
                raise
            lines[0] = str(problem)
        screen.draw(lines)
        time.sleep(PAUSE)
        changed.wait(REFRESH)


def _notify(client: Client, changed: threading.Event) -> None:
    """Set the event at every change; if the stream fails, the table is still read every REFRESH seconds."""
    while True:
        with suppress(Exception):
            for _ in client.follow():
                changed.set()
        time.sleep(REFRESH)
