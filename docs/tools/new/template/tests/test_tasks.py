"""The tasks, called as the functions that they are, and as jobs through the whole stack."""

import httpx

from project.celery_config.tasks.demo import sum_to_n_job
from tests.support.http import assert_problem, finished, submit


def test_the_sum_of_a_task() -> None:
    """A task is a function."""
    assert sum_to_n_job(10) == 55


def test_a_job_runs_through_the_stack(http: httpx.Client) -> None:
    """It is submitted through NGINX, and a consumer stores its result."""
    assert finished(http, "sum", submit(http, "sum", number=10))["result"] == 55


def test_a_wrong_argument_is_refused(http: httpx.Client) -> None:
    """The producer answers 422 before anything is queued."""
    assert_problem(http.post("/producer/api/sum", json={"number": -1}), 422)


def test_all_health_checks_pass(http: httpx.Client) -> None:
    """Every part reaches the parts that it needs."""
    checks = http.get("/producer/health/ready?deep=1").json()["checks"]
    assert [check for check in checks if check["state"] == "failed"] == []


def test_the_page_and_the_catalogue_are_served(http: httpx.Client) -> None:
    """The page has a form for each task of the catalogue."""
    assert http.get("/").status_code == 200
    assert '"sum"' in http.get("/producer/api/tasks").text
