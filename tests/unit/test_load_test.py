"""What the load test makes of a job, with Locust's own statistics."""

import subprocess
import sys
from typing import Any

from tests.support.processes import ROOT

# in a process of its own, as Locust patches the standard library
PROGRAM = """
import sys
from locust import events
from locust.env import Environment
sys.path.append("locust")
import locustfile

environment = Environment(events=events)
environment.create_local_runner()
locustfile.report(%r, expected=1)
for row in environment.stats.entries.values():
    print(row.name, row.num_requests, row.num_none_requests, row.avg_response_time, sep=", ")
"""
AT = "2030-01-01T00:00:00Z"


def test_a_job_that_waited_and_ran_for_less_than_a_millisecond_is_counted() -> None:
    """Its times are 0 ms; leaving them out would overstate those of all jobs."""
    job = {"result": 1, "submitted_at": AT, "started_at": AT, "finished_at": AT}
    rows, errors = _measure(job)
    assert rows == [f"job: {what}, 1, 0, 0.0" for what in ("queue wait", "run time", "end to end")]
    assert errors == ""


def test_a_job_that_failed_has_no_times() -> None:
    """It is counted as a failure, and does not change the average."""
    rows, errors = _measure({"result": None, "status": "FAILURE", "error": {"type": "Error", "message": "no"}})
    assert (rows, errors) == (["job: end to end, 1, 1, 0.0"], "")


def _measure(job: dict[str, Any]) -> tuple[list[str], str]:
    """Return the rows of the statistics after one job, and what Locust complained about."""
    command = [sys.executable, "-c", PROGRAM % job]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return run.stdout.splitlines(), run.stderr
