"""Isolated tasks: whatever the body does, it affects only its own job."""

import psutil
import pytest

from tests.support.task_fixtures import Tasks
from tests.support.terminal import alive
from tests.support.wait import wait_until

LIMIT = 15  # seconds; the bodies would end by themselves after 30


@pytest.mark.parametrize("pool", ["prefork", "threads", pytest.param("forked", marks=pytest.mark.heavy)])
def test_an_isolated_body_runs_in_a_process_of_its_own(tasks: Tasks, pool: str) -> None:
    """It is a child of the slot's process, prints to the consumer's log, reports progress, and does not import Celery."""
    if pool != "prefork":
        tasks.worker(pool, pool)
    job_id = tasks.submit("inspect_process", "hällo\n", queue=pool)
    parent, text, celery = tasks.ended(job_id)["result"]
    assert psutil.pid_exists(parent)
    assert (text, celery, tasks.record(job_id)["progress"]["text"]) == ("hällo\n", False, "hällo\n")
    assert "isolated: hällo" in tasks.log(pool).decode()


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("segfault", ("JobCrashed", "killed by SIGSEGV")),
        ("exit", ("JobCrashed", "ended with exit code 3 and without a result")),
        ("hang", ("TimeLimitExceeded", "not done after 6 s")),
        ("memory", ("MemoryError", "")),
        ("nonsense", ("TypeError", "Object of type object is not JSON serializable")),
    ],
)
def test_a_body_that_ends_badly_fails_its_own_job_only(tasks: Tasks, how: str, error: tuple[str, str]) -> None:
    """The job's error says how the process ended, and the slot's process goes on."""
    neighbour = tasks.submit("rest", 0.2)
    record = tasks.ended(tasks.submit("end_badly", how))
    assert (record["error"]["type"], record["error"]["message"]) == error
    assert (record["attempts"], tasks.ended(neighbour)["attempts"]) == ("1", "1")


@pytest.mark.parametrize(
    ("own", "error", "attempts"), [(True, ("OwnError", "known, 1"), "1"), (False, ("Unheard", "of"), "2")]
)
def test_an_error_inside_keeps_its_name_and_message(
    tasks: Tasks, own: bool, error: tuple[str, str], attempts: str
) -> None:
    """The retry policy applies to it, and the traceback in the record shows the line that raised it."""
    record = tasks.ended(tasks.submit("fail_inside", own))
    assert ((record["error"]["type"], record["error"]["message"]), record["attempts"]) == (error, attempts)
    assert "in fail_inside" in record["traceback"]


def _process_of(tasks: Tasks, job_id: str) -> psutil.Process:
    wait_until(lambda: "progress" in tasks.record(job_id))
    return psutil.Process(int(tasks.record(job_id)["progress"]["text"].split()[0]))


def test_the_soft_time_limit_ends_the_process(tasks: Tasks) -> None:
    """The soft time limit interrupts the parent's wait, and the parent kills the process."""
    job_id = tasks.submit("stay", "soft")
    process = _process_of(tasks, job_id)
    assert tasks.ended(job_id)["error"]["type"] == "SoftTimeLimitExceeded"
    wait_until(lambda: not alive(process), LIMIT, "the process has ended")


def test_terminating_the_job_ends_the_process(tasks: Tasks) -> None:
    """`revoke(terminate=True)` kills the slot's process, and the body ends with it."""
    job_id = tasks.submit("stay_longer", "terminate")
    process = _process_of(tasks, job_id)
    tasks.app.control.revoke(job_id, terminate=True)
    wait_until(lambda: not alive(process), LIMIT, "the process has ended")


def test_a_killed_consumer_leaves_no_process_behind(tasks: Tasks) -> None:
    """No other process is left to kill it, so it ends by itself."""
    worker = tasks.worker("widow", "solo")
    job_id = tasks.submit("stay_longer", "kill", queue="widow")
    process = _process_of(tasks, job_id)
    worker.kill()
    wait_until(lambda: not alive(process), LIMIT, "the process has ended")
