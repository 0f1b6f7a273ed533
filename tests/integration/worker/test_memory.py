"""Memory: a consumer stays small, whatever its jobs do."""

import psutil
import pytest

from tests.support.processes import Worker
from tests.support.task_fixtures import Tasks

POOLS = ("prefork", "forked")
FAILING = 150  # jobs; if their tracebacks were not freed, each would leave 200 KB behind


def _mebibytes(worker: Worker, pool: str) -> int:
    """Return the size of the process that runs the jobs."""
    process = psutil.Process(worker.process.pid)
    return int((process if pool == "threads" else process.children()[-1]).memory_info().rss >> 20)


@pytest.mark.parametrize(
    ("pool", "task", "argument"),
    [
        ("prefork", "fail_with", "KeyError"),
        pytest.param("forked", "fail_with", "KeyError", marks=pytest.mark.heavy),
        ("threads", "fail_later", "no"),
    ],
)
def test_failing_jobs_leave_nothing_behind(tasks: Tasks, pool: str, task: str, argument: str) -> None:
    """Their tracebacks are freed at once, and not by a later garbage collection."""
    worker = tasks.worker("frugal", pool)
    tasks.ended(tasks.submit(task, argument, queue="frugal"))
    before = _mebibytes(worker, pool)
    jobs = [tasks.submit(task, argument, queue="frugal") for _ in range(FAILING)]
    for job_id in jobs:
        assert tasks.ended(job_id, 30)["status"] == "FAILURE"
    assert _mebibytes(worker, pool) - before < 10


@pytest.mark.heavy
@pytest.mark.parametrize("pool", POOLS)
def test_a_slot_that_has_grown_too_large_gets_a_new_process(tasks: Tasks, pool: str) -> None:
    """Earlier and later jobs succeed."""
    tasks.worker("bounded", pool, consumer_slot_memory=160)
    jobs = [tasks.ended(tasks.submit("hoard", 40, queue="bounded")) for _ in range(5)]
    assert {(job["status"], job["attempts"]) for job in jobs} == {("SUCCESS", "1")}
    assert len({job["result"] for job in jobs}) > 1


@pytest.mark.parametrize("pool", ["threads", *(pytest.param(pool, marks=pytest.mark.heavy) for pool in POOLS)])
def test_a_job_without_enough_memory_fails_as_any_other(tasks: Tasks, pool: str) -> None:
    """The consumer goes on with its other jobs."""
    worker = tasks.worker("exhausted", pool)
    failed = [tasks.ended(tasks.submit("exhaust_memory", queue="exhausted"), 20) for _ in range(2)]
    assert [(job["status"], job["error"]["type"], job["attempts"]) for job in failed] == [
        ("FAILURE", "MemoryError", "1")
    ] * 2
    assert tasks.ended(tasks.submit("sum", 3, queue="exhausted"), 20)["result"] == 6
    assert worker.process.poll() is None
