"""Cancel a job that waits or runs, and fetch and forget one that has ended, through NGINX."""

from typing import Any

import httpx
import psutil
import pytest

from tests.support.http import assert_problem, finished, look_up, submit
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

WAIT = "/producer/api/wait_and_return"


def test_a_waiting_job_that_is_cancelled_never_runs(http: httpx.Client) -> None:
    """It is REVOKED at once and stays so; a second DELETE is 404."""
    job_id = http.post(WAIT, params={"countdown": 1}, json={"seconds": 0}).json()["job_id"]
    answer = http.delete(f"{WAIT}/{job_id}")
    assert (answer.status_code, answer.json()["status"], answer.json()["attempts"]) == (200, "REVOKED", 0)
    assert_problem(http.delete(f"{WAIT}/{job_id}"), 404)
    later = http.post(WAIT, params={"countdown": 1.5}, json={"seconds": 0}).json()["job_id"]
    finished(http, "wait_and_return", later)
    job = look_up(http, "wait_and_return", job_id)
    assert (job["status"], job["attempts"], job["started_at"]) == ("REVOKED", 0, None)


def test_cancelling_a_running_job_ends_its_process_but_not_its_consumer(http: httpx.Client, stack: NativeStack) -> None:
    """The slot is free again at once, with a new process under the same consumer."""
    (consumer, *_) = stack.pids("celery", "worker", "consumer.1@%h")
    children = {child.pid for child in psutil.Process(consumer).children()}
    jobs = [submit(http, "wait_and_return", seconds=60, message="") for _ in range(2)]
    wait_until(lambda: all(look_up(http, "wait_and_return", job)["status"] == "STARTED" for job in jobs))
    for job_id in jobs:
        assert http.delete(f"{WAIT}/{job_id}").json()["status"] == "REVOKED"
        assert_problem(http.delete(f"{WAIT}/{job_id}"), 404)
    assert finished(http, "sum", submit(http, "sum", number=4))["result"] == 10
    assert consumer in stack.pids("celery", "worker")
    wait_until(
        lambda: len(children & {child.pid for child in psutil.Process(consumer).children()}) <= len(children) - 2
    )
    assert {look_up(http, "wait_and_return", job_id)["status"] for job_id in jobs} == {"REVOKED"}


def test_an_ended_job_is_handed_over_once(http: httpx.Client) -> None:
    """The response has its result, and then there is no such job."""
    job_id = submit(http, "sum", number=5)
    job = finished(http, "sum", job_id)
    answer = http.delete(f"/producer/api/sum/{job_id}")
    assert (answer.status_code, answer.json()) == (200, job)
    assert_problem(http.get(f"/producer/api/sum/{job_id}"), 404)
    assert_problem(http.delete(f"/producer/api/sum/{job_id}"), 404)


@pytest.mark.parametrize("path", [WAIT, "/producer/api/jobs"])
@pytest.mark.parametrize(("query", "header"), [({"wait": 20}, {}), ({}, {"prefer": "wait=20"})])
def test_delete_with_wait_returns_the_result_at_the_end(http: httpx.Client, path: str, query: Any, header: Any) -> None:
    """DELETE that waits: the result when it is there, instead of cancelling; at both addresses of a job."""
    job_id = submit(http, "wait_and_return", seconds=1, message="pulled")
    answer = http.delete(f"{path}/{job_id}", params=query, headers=header)
    assert (answer.json()["result"], answer.headers.get("preference-applied")) == ("pulled", header.get("prefer"))
    assert_problem(http.get(f"{WAIT}/{job_id}"), 404)


def test_delete_with_wait_deletes_nothing_if_its_client_disconnects(http: httpx.Client) -> None:
    """The job continues, and its result can still be fetched."""
    job_id = submit(http, "wait_and_return", seconds=2, message="kept")
    with pytest.raises(httpx.ReadTimeout):
        http.delete(f"{WAIT}/{job_id}", params={"wait": 20}, timeout=httpx.Timeout(10, read=0.5))
    assert finished(http, "wait_and_return", job_id)["result"] == "kept"


def test_a_job_of_another_task_cannot_be_cancelled(http: httpx.Client) -> None:
    """The address names the task, so it must be right."""
    job_id = submit(http, "sum", number=5)
    assert_problem(http.delete(f"{WAIT}/{job_id}"), 404)
    assert finished(http, "sum", job_id)["result"] == 15


def test_a_revoked_job_can_be_requeued(http: httpx.Client) -> None:
    """It waits again under its id, and may run in the consumer that stopped it before."""
    job_id = submit(http, "wait_and_return", seconds=2, message="second try")
    wait_until(lambda: look_up(http, "wait_and_return", job_id)["status"] == "STARTED")
    http.delete(f"{WAIT}/{job_id}")
    answer = http.post(f"/producer/api/jobs/{job_id}/requeue")
    assert (answer.status_code, answer.headers["location"]) == (202, f"{WAIT}/{job_id}")
    job = finished(http, "wait_and_return", job_id)
    assert (job["status"], job["result"], job["attempts"]) == ("SUCCESS", "second try", 2)
    assert_problem(http.post(f"/producer/api/jobs/{job_id}/requeue"), 409)
    assert_problem(http.post("/producer/api/jobs/unknown/requeue"), 404)
