"""A job looked up by its id alone, through NGINX."""

import httpx
from celery import states

from tests.support.http import assert_problem, finished, submit

JOBS = "/producer/api/jobs"


def test_a_job_can_be_looked_up_without_its_task(http: httpx.Client) -> None:
    """The answer is the one at the task's own address."""
    job_id = submit(http, "sum", number=10)
    job = finished(http, "sum", job_id)
    assert http.get(f"{JOBS}/{job_id}").json() == job


def test_the_end_of_a_job_can_be_waited_for_without_its_task(http: httpx.Client) -> None:
    """`?wait=` answers when the job ends, and `Prefer: wait=` does the same."""
    job_id = submit(http, "wait_and_return", seconds=0.5, message="done")
    assert http.get(f"{JOBS}/{job_id}", params={"wait": 20}).json()["result"] == "done"
    slow = submit(http, "wait_and_return", seconds=1)
    response = http.get(f"{JOBS}/{slow}", headers={"Prefer": "wait=20"})
    assert (response.json()["status"], response.headers["preference-applied"]) == (states.SUCCESS, "wait=20")


def test_an_id_that_no_task_knows_is_404(http: httpx.Client) -> None:
    """Also one that looks like another address; and a wait of more than 30 seconds is refused."""
    for job_id in ("never-known", "requeue"):
        assert_problem(http.get(f"{JOBS}/{job_id}"), 404)
    assert_problem(http.get(f"{JOBS}/never-known", params={"wait": 31}), 422)
