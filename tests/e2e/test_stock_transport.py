"""The same HTTP interface on kombu's own transport (`redis+stock://`), which is there to compare with."""

from datetime import datetime

import httpx
import pytest

from tests.support.http import assert_problem, finished, look_up, submit
from tests.support.ports import free_port
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

PORT = free_port()
pytestmark = pytest.mark.stack(REDIS_PORT=PORT, BROKER_URL=f"redis+stock://127.0.0.1:{PORT}/0", TASK_SOFT_TIME_LIMIT=3)


def test_a_job_succeeds_with_all_its_fields(http: httpx.Client) -> None:
    """Submitted, looked up while it runs, and ended, as with leases."""
    job_id = submit(http, "wait_and_return", seconds=2, message="ok")
    wait_until(lambda: look_up(http, "wait_and_return", job_id)["status"] == "STARTED")
    job = finished(http, "wait_and_return", job_id)
    assert (job["status"], job["result"], job["error"], job["attempts"]) == ("SUCCESS", "ok", None, 1)
    assert (job["queue"], job["consumer"].partition("@")[0]) == ("default", "consumer.1")
    times = [datetime.fromisoformat(job[name]) for name in ("submitted_at", "started_at", "finished_at")]
    assert times == sorted(times)


def test_a_job_that_fails_says_why(http: httpx.Client) -> None:
    """The error has the same two fields as with leases, and there is no result."""
    job = finished(http, "wait_and_return", submit(http, "wait_and_return", seconds=30))
    assert (job["status"], job["result"], job["attempts"]) == ("FAILURE", None, 1)
    assert job["error"] == {"type": "SoftTimeLimitExceeded", "message": ""}


def test_an_unknown_job_is_404(http: httpx.Client) -> None:
    """Stock Celery would say PENDING."""
    assert_problem(http.get("/producer/api/sum/never-known"), 404)


def test_the_same_request_arriving_twice_is_one_job(stack: NativeStack, http: httpx.Client) -> None:
    """NGINX may send a POST to a second producer here too."""
    url = f"http://127.0.0.1:{stack.settings['PRODUCER_PORT']}/producer/api/sum"
    headers = {"x-request-id": "0123456789abcdef0123456789abcdef"}
    ids = {httpx.post(url, json={"number": 3}, headers=headers).json()["job_id"] for _ in range(2)}
    assert finished(http, "sum", *ids)["attempts"] == 1
    finished(http, "sum", submit(http, "sum", number=1))  # had it been queued twice, the second run came before this
    assert look_up(http, "sum", *ids)["attempts"] == 1


def test_break_it_promises_only_what_this_transport_keeps(http: httpx.Client) -> None:
    """It has no leases, and no limit of attempts."""
    expected = {each["action"]: each["expect"] for each in http.get("/producer/api/chaos").json()["actions"]}
    assert "visibility timeout" in expected["kill-consumer"] and "leases expire" not in expected["kill-consumer"]
    assert "until it is cancelled" in expected["poison-job"]
    assert "all jobs are done" in expected["flood"]
