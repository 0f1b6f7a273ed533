"""`make up TASK_MODULES=… TASK_PATH=…`: the stack's own consumers load tasks from outside of project/."""

import httpx
import pytest

from tests.support.http import assert_problem, finished, submit
from tests.support.wait import wait_until

pytestmark = pytest.mark.stack(TASK_MODULES="remote_tasks", TASK_PATH="tests/support")


def test_a_task_from_elsewhere_runs_in_the_stack(http: httpx.Client) -> None:
    """The producer offers it without its code, and validates its arguments."""
    wait_until(lambda: http.options("/producer/api/price").status_code == 405, what="the task is announced")
    job_id = submit(http, "price", items=[{"tea": 3}, {"cake": 4}])
    assert finished(http, "price", job_id)["result"] == "7 EUR"
    assert_problem(http.post("/producer/api/price", json={"items": "tea"}), 422)
