"""Look around, through NGINX: recent jobs, queues, consumers."""

from datetime import datetime

import httpx
import pytest

from tests.support.http import assert_problem, finished, look_up, submit
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

JOBS = "/producer/api/jobs"


def test_recent_jobs_come_newest_first_page_by_page(http: httpx.Client) -> None:
    """Pages follow one another without gap or repetition."""
    mine = [submit(http, "sum", number=number) for number in range(7)]
    listed: list[str] = []
    before: dict[str, float] = {}
    while len(listed) < 7:
        page = http.get(JOBS, params={"task": "sum", "limit": 3, **before}).json()
        listed += [job["job_id"] for job in page["jobs"]]
        before = {"before": page["next"]}
    assert listed[:7] == mine[::-1]
    assert len(set(listed)) == len(listed)


def test_recent_jobs_can_be_filtered(http: httpx.Client) -> None:
    """Filter by task and by status; each entry equals the response of GET."""
    done = submit(http, "wait_and_return", seconds=0)
    job = finished(http, "wait_and_return", done)
    submit(http, "sum", number=1)
    page = http.get(JOBS, params={"task": "wait_and_return", "status": "SUCCESS", "limit": 1}).json()
    assert page["jobs"] == [job | {"arguments": {"seconds": 0, "message": "Hello World!"}}]
    none = http.get(JOBS, params={"task": "no_such_task"}).json()
    assert (none["jobs"], none["next"], none["searched"]["complete"]) == ([], None, True)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": "0"}, "query.limit"),
        ({"limit": "201"}, "query.limit"),
        ({"status": "DONE"}, "query.status"),
        ({"before": "yesterday"}, "query.before"),
        ({"before": "nan"}, "query.before"),
        ({"page": "2"}, "query.page"),
    ],
)
def test_a_listing_that_makes_no_sense_is_refused(http: httpx.Client, params: dict[str, str], field: str) -> None:
    """422 says which parameter is wrong."""
    problem = assert_problem(http.get(JOBS, params=params), 422)
    assert [error["field"] for error in problem["errors"]] == [field]


def test_queues_and_consumers_show_running_jobs(stack: NativeStack, http: httpx.Client) -> None:
    """A running job is counted in its queue, and named at its consumer with the time of its start."""
    job_id = submit(http, "wait_and_return", seconds=60)
    wait_until(lambda: look_up(http, "wait_and_return", job_id)["status"] == "STARTED")
    queues = {queue["queue"]: queue for queue in http.get("/producer/api/queues").json()}
    assert queues["default"]["running"] >= 1
    assert set(queues["cpu"]) == {"queue", "waiting", "delayed", "running", "oldest_age"}
    job = look_up(http, "wait_and_return", job_id)
    (consumer,) = [each for each in http.get("/producer/api/consumers").json() if each["name"] == job["consumer"]]
    pool = "prefork" if "BROKER_URL" in stack.settings else "forked"
    assert (consumer["slots"], consumer["pool"], consumer["queues"]) == (2, pool, ["cpu", "default"])
    (busy,) = [each for each in consumer["busy"] if each["job_id"] == job_id]
    assert datetime.fromisoformat(busy["since"]) == datetime.fromisoformat(job["started_at"])
    http.delete(f"/producer/api/wait_and_return/{job_id}")


def test_a_misspelt_filter_requeues_nothing(http: httpx.Client) -> None:
    """It would otherwise requeue the failed jobs of all tasks."""
    assert_problem(http.post(f"{JOBS}/requeue", params={"tsak": "sum"}), 422)


def test_requeueing_all_failed_jobs_of_a_task_leaves_the_others(http: httpx.Client) -> None:
    """Nothing of the task has failed, so nothing waits again."""
    finished(http, "sum", submit(http, "sum", number=1))
    answer = http.post(f"{JOBS}/requeue", params={"task": "sum"})
    assert (answer.status_code, answer.json()) == (202, {"count": 0, "job_ids": []})
