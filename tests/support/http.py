"""Requests to the HTTP API that many tests make."""

from typing import Any

import httpx

from tests.support.wait import wait_until


def submit(http: httpx.Client, task: str, **arguments: Any) -> str:
    """Submit a job and return its id."""
    response = http.post(f"/producer/api/{task}", json=arguments)
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])


def look_up(http: httpx.Client, task: str, job_id: str) -> dict[str, Any]:
    """Return the job as the API shows it."""
    response = http.get(f"/producer/api/{task}/{job_id}")
    assert response.status_code == 200, response.text
    return dict(response.json())


def finished(http: httpx.Client, task: str, job_id: str, timeout: float = 60) -> dict[str, Any]:
    """Wait for the end of a job and return it."""
    wait_until(lambda: look_up(http, task, job_id)["ready"], timeout, f"job {job_id} has ended")
    return look_up(http, task, job_id)


def assert_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """Check that a response is an RFC 9457 problem with this status, and return the problem."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = dict(response.json())
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert "Traceback" not in response.text
    return problem
