"""The tasks to learn with that can fail: what their jobs end with, and that the stack outlives them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.http import assert_problem, finished, submit
from tests.support.stack import NativeStack


@pytest.mark.parametrize(
    ("dividend", "divisor", "end"),
    [(10, 4, ("SUCCESS", 2.5, None)), (-7, 2, ("SUCCESS", -3.5, None)), (1, 0, ("FAILURE", None, "ZeroDivisionError"))],
)
def test_a_division_gives_its_quotient_or_says_that_it_is_by_zero(
    http: httpx.Client, dividend: float, divisor: float, end: tuple[Any, ...]
) -> None:
    """A division by zero fails once: no try would make it better."""
    job = finished(http, "divide", submit(http, "divide", dividend=dividend, divisor=divisor))
    assert (job["status"], job["result"], (job["error"] or {}).get("type"), job["attempts"]) == (*end, 1)


def test_a_quotient_that_json_cannot_say_is_an_error(http: httpx.Client) -> None:
    """JSON has no infinity, so the job fails instead of having null as its result."""
    job = finished(http, "divide", submit(http, "divide", dividend=1e308, divisor=1e-10))
    assert (job["status"], job["error"]["type"]) == ("FAILURE", "OverflowError")


def test_a_divisor_that_is_no_number_is_refused(http: httpx.Client) -> None:
    """Before anything is queued."""
    problem = assert_problem(http.post("/producer/api/divide", json={"dividend": 1, "divisor": "0"}), 422)
    assert [error["field"] for error in problem["errors"]] == ["body.divisor"]


def test_a_flaky_job_fails_twice_and_then_succeeds(http: httpx.Client) -> None:
    """Its attempts are those of the retry policy."""
    job = finished(http, "flaky", submit(http, "flaky"))
    assert (job["status"], job["result"], job["attempts"]) == ("SUCCESS", "attempt 3 succeeded", 3)


@pytest.mark.heavy
def test_a_flaky_job_can_fail_for_good(http: httpx.Client) -> None:
    """With one failure more than there are attempts; after less than half a minute, as the waits are random."""
    job = finished(http, "flaky", submit(http, "flaky", failures=6))
    assert (job["status"], job["error"], job["attempts"]) == (
        "FAILURE", {"type": "ConnectionError", "message": "attempt 6 failed on purpose"}, 6,
    )  # fmt: skip


@pytest.mark.heavy
def test_a_crash_kills_only_the_process_of_its_slot(http: httpx.Client) -> None:
    """With prefork the consumer goes on: the job ends as poison, and another one succeeds."""
    job = finished(http, "crash", submit(http, "crash"))
    assert (job["status"], job["error"]["type"], job["attempts"]) == ("FAILURE", "PoisonJob", 3)
    assert finished(http, "sum", submit(http, "sum", number=10))["result"] == 55


@pytest.fixture(params=["threads", "solo"])
def stack_of_a_pool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NativeStack]:
    """A stack with a consumer that runs jobs in its own process, and with a short lease."""
    settings = {"CONSUMER_POOL": request.param, "CONSUMER_SLOTS": "2", "LEASE": "1", "MAX_ATTEMPTS": "2"}
    with NativeStack(tmp_path / "run", SHUTDOWN_TIMEOUT="1", **settings) as stack:
        yield stack


@pytest.mark.heavy
def test_the_stack_survives_crashes_that_kill_its_consumer(stack_of_a_pool: NativeStack) -> None:
    """Even after more crashes in a minute than the launcher tolerates, jobs end as poison, and the stack works on."""
    with stack_of_a_pool.client() as http:
        crashes = [submit(http, "crash") for _ in range(3)]
        jobs = [finished(http, "crash", job_id, 120) for job_id in crashes]
        assert {(job["status"], job["error"]["type"], job["attempts"]) for job in jobs} == {("FAILURE", "PoisonJob", 2)}
        assert finished(http, "sum", submit(http, "sum", number=10))["result"] == 55
