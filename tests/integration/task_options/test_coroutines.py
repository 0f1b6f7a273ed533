"""Tasks declared with `async def` run concurrently in one event loop per process."""

import sys
import time

import pytest

from project.task_options.coroutines import as_function
from tests.support.task_fixtures import Tasks
from tests.support.wait import wait_until


def test_twenty_coroutines_wait_side_by_side_in_one_loop(tasks: Tasks) -> None:
    """On twenty threads: one second each, far less than twenty in total; each reports its own progress."""
    tasks.worker("threads", "threads", 20)
    begun = time.monotonic()
    jobs = [tasks.submit("rest", 1, queue="threads") for _ in range(20)]
    loops = {tuple(tasks.ended(job_id)["result"]) for job_id in jobs}
    assert (len(loops), time.monotonic() - begun < 15) == (1, True)
    assert all(tasks.record(job_id)["progress"]["text"] == "resting" for job_id in jobs)


def test_each_process_of_a_prefork_pool_has_a_loop_that_it_keeps(tasks: Tasks) -> None:
    """A pool process starts the loop at its first job."""
    jobs = [tasks.submit("rest", 0.1) for _ in range(6)]
    results = {tuple(tasks.ended(job_id)["result"]) for job_id in jobs}
    assert len({pid for pid, _ in results}) == len(results) == 2


def test_the_soft_time_limit_cancels_a_coroutine(tasks: Tasks) -> None:
    """Without that it would go on in the loop beside later jobs."""
    tasks.redis.delete("cancelled")
    assert tasks.ended(tasks.submit("rest_too_long"))["error"]["type"] == "SoftTimeLimitExceeded"
    wait_until(lambda: tasks.redis.llen("cancelled") == 1)


def test_an_error_in_a_coroutine_is_the_jobs(tasks: Tasks) -> None:
    """The record has its type and message."""
    record = tasks.ended(tasks.submit("fail_later", "on purpose"))
    assert record["error"] == {"type": "ValueError", "message": "on purpose"}


def test_a_coroutine_that_exits_takes_no_loop_along() -> None:
    """The thread that called it exits, as with any function; later jobs run."""

    async def leave(how: int) -> int:
        return sys.exit(how) if how else 0

    wait = as_function(leave)
    with pytest.raises(SystemExit):
        wait(3)
    assert wait(0) == 0
