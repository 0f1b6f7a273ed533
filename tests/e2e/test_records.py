"""List the job history through NGINX, in a stack that runs `hello` every second."""

import os
import signal
import sqlite3
from contextlib import closing
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.support.http import assert_problem
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

pytestmark = pytest.mark.stack(HELLO_EVERY=1, CONSUMER_SLOTS=1, LEASE=1, SHUTDOWN_TIMEOUT=1)


def _records(http: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = http.get("/producer/api/records", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["records"])


def _done(http: httpx.Client) -> list[dict[str, Any]]:
    return [record for record in _records(http, limit=100) if record["finished_at"]]


def _at(record: dict[str, Any], what: str) -> datetime:
    return datetime.fromisoformat(record[what])


def _started_without_record(http: httpx.Client) -> str:
    """Return a job that has started and cannot write its record yet; one with a record may end before it is killed."""
    started = {job["job_id"] for job in http.get("/producer/api/jobs?task=hello&status=STARTED").json()["jobs"]}
    return next(iter(started - {record["job_id"] for record in _records(http, limit=100)}), "")


def test_hello_leaves_records(http: httpx.Client) -> None:
    """From the start, newest first, each the record of a job that is known."""
    wait_until(lambda: len(_done(http)) >= 2)
    newest, older, *_ = _done(http)
    assert _at(older, "started_at") < _at(newest, "started_at") <= _at(newest, "finished_at")
    assert newest["task"] == "hello" and newest["consumer"].startswith("consumer.1@")
    path = f"/producer/api/jobs/{newest['job_id']}"
    wait_until(lambda: http.get(path).json()["ready"])  # which is after the record has been written
    assert http.get(path).json()["result"] == "Hello from the scheduler!"


def test_pages_follow_each_other(http: httpx.Client) -> None:
    """`next` is the `before` of the next page."""
    wait_until(lambda: len(_records(http)) >= 2)
    first = http.get("/producer/api/records", params={"limit": 1}).json()
    second = http.get("/producer/api/records", params={"limit": 1, "before": first["next"]}).json()
    assert _at(first["records"][0], "started_at") > _at(second["records"][0], "started_at")
    assert http.get("/producer/api/records", params={"before": 1}).json() == {"records": [], "next": None}


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "before=0", "before=x", f"before={2**63}", "befor=1"])
def test_an_invalid_page_is_rejected(http: httpx.Client, query: str) -> None:
    """With a 422 that names the field."""
    assert_problem(http.get(f"/producer/api/records?{query}"), 422)


def test_a_job_whose_consumer_is_killed_has_one_record(stack: NativeStack, http: httpx.Client) -> None:
    """The job runs twice, in two processes; a writer that locks the database stops the first run midway."""
    with closing(sqlite3.connect(stack.run_dir / "records.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        job_id = wait_until(lambda: _started_without_record(http))
        os.killpg(os.getpgid(stack.pids("worker", "consumer.1@%h")[0]), signal.SIGKILL)  # its pool could still write
        writer.execute("ROLLBACK")
    wait_until(lambda: job_id in [record["job_id"] for record in _done(http)])
    ids = [record["job_id"] for record in _records(http, limit=100)]
    assert len(ids) == len(set(ids))
    assert http.get(f"/producer/api/jobs/{job_id}").json()["attempts"] == 2
