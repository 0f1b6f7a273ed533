"""The command line: commands and their exit codes. The options are in options.py."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import httpx

from project.client import options
from project.client.api import Client, ProblemError
from project.client.show import HEAD, as_json, job_row, print_error, print_traceback, table
from project.client.watch import watch_all, watch_job
from project.job_models import Job

OK, JOB_FAILED, REFUSED, AWAY, NOT_YET = range(5)
INTERRUPTED, PIPE_CLOSED = 130, 141  # 128 and the signal's number, as shells have it
ENDED_BADLY = ("FAILURE", "REVOKED")


def main() -> int:
    """Run one command and return its exit code."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a terminal may not be able to show every character
    chosen = options.parse(sys.argv[1:])
    try:
        with Client(chosen.url, chosen.retry_for) as client:
            code = COMMANDS.get(chosen.command, _overview)(client, chosen)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python fails when it flushes at exit
        return PIPE_CLOSED
    except (Exception, KeyboardInterrupt) as error:
        code, text = _explain(error, chosen.url)
        print_error(" ".join([text, *getattr(error, "__notes__", [])]))
        return code


def _explain(error: BaseException, url: str) -> tuple[int, str]:
    """Return the exit code for an error, and its message."""
    match error:
        case KeyboardInterrupt():
            return INTERRUPTED, "interrupted"
        case ProblemError(status=status):
            return (REFUSED if 400 <= status < 500 and status != 429 else AWAY), str(error)
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return REFUSED, f"{url} is not the URL of a service: {error}"
        case httpx.HTTPError():
            return AWAY, f"{url} does not answer: {error}"
        case UnicodeError():
            return REFUSED, "an argument is not text"
    raise error


def _submit(client: Client, chosen: Namespace) -> int:
    options = {name: getattr(chosen, name) for name in ("idempotency_key", "countdown", "priority")}
    accepted = client.submit(chosen.task, chosen.arguments, job_id=chosen.chosen_id, **options)
    if not chosen.wait:
        _print(chosen, accepted, [accepted.job_id])
        return OK
    job = _wait(client, accepted.job_id, chosen.wait)
    result = job.result if isinstance(job.result, str) else as_json(job.result)
    _print(chosen, job, [result] if job.status == "SUCCESS" else [])
    return _verdict(job)


def _get(client: Client, chosen: Namespace) -> int:
    job = _wait(client, chosen.job_id, chosen.wait, traceback=True)
    _print(chosen, job, [as_json(job.model_copy(update={"traceback": None}), indent=2)])
    if job.traceback and not chosen.json:
        print_traceback(job.traceback)
    return _verdict(job) if chosen.wait or job.status in ENDED_BADLY else OK


def _wait(client: Client, job_id: str, seconds: float, *, traceback: bool = False) -> Job[Any]:
    try:
        return client.get(job_id, wait=seconds, traceback=traceback)
    except (KeyboardInterrupt, ProblemError, httpx.HTTPError) as error:
        if seconds:
            error.add_note(f"(job {job_id} is not cancelled)")
        raise


def _verdict(job: Job[Any]) -> int:
    """Return the exit code for the state of a job, and print an error unless it succeeded."""
    if job.status == "SUCCESS":
        return OK
    print_error(f"job {job.job_id} is {job.status}" + (f": {job.error.type}: {job.error.message}" if job.error else ""))
    return JOB_FAILED if job.ready else NOT_YET


def _list(client: Client, chosen: Namespace) -> int:
    page = client.jobs(task=chosen.task, status=chosen.status, limit=chosen.limit, before=chosen.before)
    _print(chosen, page, table(HEAD, map(job_row, page.jobs)))
    return OK


def _watch(client: Client, chosen: Namespace) -> int:
    if chosen.job_id:
        return _verdict(watch_job(client, chosen.job_id, chosen.json))
    watch_all(client, chosen.json)
    return OK


def _cancel(client: Client, chosen: Namespace) -> int:
    job = client.cancel(chosen.job_id)
    _print(chosen, job, [as_json(job, indent=2)])
    # if it had ended just before, it is deleted now, and the printed job is all that is left
    return OK if job.status == "REVOKED" else REFUSED


def _requeue(client: Client, chosen: Namespace) -> int:
    if chosen.failed:
        job_ids = client.requeue_failed(chosen.task)
        _print(chosen, {"job_ids": job_ids}, job_ids)
    else:
        _print(chosen, client.requeue(chosen.job_id), [chosen.job_id])
    return OK


def _overview(client: Client, chosen: Namespace) -> int:
    entries = getattr(client, chosen.command)()
    columns = OVERVIEWS[chosen.command]
    plain = json.loads(as_json(entries))
    _print(chosen, entries, table(columns, [[cell(entry) for cell in columns.values()] for entry in plain]))
    return OK


def _signature(task: dict[str, Any]) -> str:
    """Return the names of a task's arguments, the optional ones in brackets."""
    needed = task["arguments"].get("required", [])
    return " ".join(name if name in needed else f"[{name}]" for name in task["arguments"]["properties"])


def _print(chosen: Namespace, value: Any, lines: list[str]) -> None:
    for line in [as_json(value)] if chosen.json else lines:
        print(line)


COMMANDS = {"submit": _submit, "get": _get, "list": _list, "watch": _watch, "cancel": _cancel, "requeue": _requeue}
OVERVIEWS: dict[str, dict[str, Callable[[Any], object]]] = {
    "tasks": {
        "task": itemgetter("task"),
        "queue": itemgetter("queue"),
        "arguments": _signature,
        "summary": itemgetter("summary"),
    },
    "queues": {name: itemgetter(name) for name in ("queue", "waiting", "delayed", "running")}
    | {"oldest": lambda queue: f"{queue['oldest_age'] or 0:.0f} s"},
    "consumers": {
        "consumer": itemgetter("name"),
        "pool": itemgetter("pool"),
        "busy": lambda consumer: f"{len(consumer['busy'])}/{consumer['slots']}",
        "queues": lambda consumer: " ".join(consumer["queues"]),
    },
}
