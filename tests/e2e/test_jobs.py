"""A job from POST to result, through NGINX."""

from datetime import datetime
from itertools import pairwise

import httpx
import pytest
from celery import states
from redis import Redis

from project.cards.card import RESERVED
from project.leased_transport import keys
from tests.support.http import assert_problem, finished, look_up, submit
from tests.support.wait import wait_until


def test_a_sum_is_accepted_and_computed(http: httpx.Client) -> None:
    """POST answers 202 with the job's address, and the address has the result."""
    response = http.post("/producer/api/sum", json={"number": 10})
    assert response.status_code == 202
    accepted = response.json()
    assert accepted["message"] == "job published"
    assert accepted["status"] == "PENDING"
    assert response.headers["location"] == f"/producer/api/sum/{accepted['job_id']}"
    job = finished(http, "sum", accepted["job_id"])
    assert (job["status"], job["result"], job["error"], job["attempts"]) == ("SUCCESS", 55, None, 1)
    assert (job["task"], job["queue"]) == ("sum", "cpu")
    assert job["consumer"].startswith("consumer")
    times = [datetime.fromisoformat(job[name]) for name in ("submitted_at", "started_at", "finished_at")]
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_a_job_passes_through_started(http: httpx.Client) -> None:
    """While a consumer works on a job it is STARTED and has no result yet."""
    job_id = submit(http, "wait_and_return", seconds=1, message="ok")
    wait_until(lambda: look_up(http, "wait_and_return", job_id)["status"] == states.STARTED)
    assert look_up(http, "wait_and_return", job_id)["ready"] is False
    assert finished(http, "wait_and_return", job_id)["result"] == "ok"


def test_a_task_whose_arguments_all_have_defaults_needs_no_body(http: httpx.Client) -> None:
    """wait_and_return without a body waits 20 s, as declared; here only that it is accepted."""
    response = http.post("/producer/api/wait_and_return")
    assert response.status_code == 202


@pytest.mark.parametrize("job_id", ["never-known", "00000000-0000-0000-0000-000000000000", "a b", "ü" * 200])
def test_an_unknown_id_is_404(http: httpx.Client, job_id: str) -> None:
    """An id that was never known is not mistaken for a queued job."""
    assert_problem(http.get(f"/producer/api/sum/{job_id}"), 404)


def test_a_job_of_another_task_is_404(http: httpx.Client) -> None:
    """A sum cannot be read at wait_and_return."""
    job_id = submit(http, "sum", number=1)
    assert_problem(http.get(f"/producer/api/wait_and_return/{job_id}"), 404)


def test_the_same_request_arriving_twice_is_one_job(http: httpx.Client, producer_url: str) -> None:
    """NGINX may send a POST to a second producer; its request id makes it the same job."""
    headers = {"x-request-id": "0123456789abcdef0123456789abcdef"}
    bodies = [httpx.post(f"{producer_url}/producer/api/sum", json={"number": 3}, headers=headers) for _ in range(2)]
    assert {body.json()["job_id"] for body in bodies} == {"01234567-89ab-cdef-0123-456789abcdef"}
    assert finished(http, "sum", bodies[0].json()["job_id"])["attempts"] == 1


def test_a_clients_own_request_id_does_not_become_a_job_id(http: httpx.Client) -> None:
    """NGINX replaces X-Request-ID, so a client cannot collide with another's job."""
    headers = {"x-request-id": "f" * 32}
    job_ids = {http.post("/producer/api/sum", json={"number": 1}, headers=headers).json()["job_id"] for _ in range(2)}
    assert len(job_ids) == 2


def test_the_catalogue_describes_every_task(http: httpx.Client) -> None:
    """GET /tasks says where to submit what."""
    catalogue = {task["task"]: task for task in http.get("/producer/api/tasks").json()}
    assert {"count_primes", "sum", "wait_and_return", "divide", "flaky", "crash"} <= set(catalogue)
    assert {"send_email", "backup_database"} <= set(catalogue)
    assert catalogue["sum"]["submit"] == "/producer/api/sum"
    assert catalogue["sum"]["arguments"]["required"] == ["number"]
    assert catalogue["wait_and_return"]["arguments"]["properties"]["seconds"]["maximum"] == 60
    assert catalogue["wait_and_return"]["result"] == {"type": "string"}


def test_openapi_documents_the_same_tasks(http: httpx.Client) -> None:
    """Every task of the catalogue has its POST and GET in OpenAPI, with its real result type."""
    openapi = http.get("/producer/openapi.json").json()
    for task in http.get("/producer/api/tasks").json():
        assert "post" in openapi["paths"][task["submit"]]
        assert "get" in openapi["paths"][f"{task['submit']}/{{job_id}}"]
    assert openapi["components"]["schemas"]["Job_int_"]["properties"]["result"]["anyOf"][0] == {"type": "integer"}


def test_no_task_can_take_an_address_of_the_producer(http: httpx.Client) -> None:
    """All first parts of paths that are not those of tasks are reserved."""
    paths = http.get("/producer/openapi.json").json()["paths"]
    parts = {path.split("/")[3] for path in paths if path.startswith("/producer/api/")}
    tasks = {task["submit"].rpartition("/")[2] for task in http.get("/producer/api/tasks").json()}
    assert parts - tasks == RESERVED


def test_the_record_of_a_short_job_stays_small(http: httpx.Client, redis: Redis) -> None:
    """The memory of Redis holds records for hours: a recent job keeps its message, and others have to be smaller."""
    recent, other = submit(http, "sum", number=10), submit(http, "sum?countdown=1", number=10)
    redis.zrem(keys.RECENT, other)
    for job_id in (recent, other):
        finished(http, "sum", job_id)
    recent_size, other_size = (redis.memory_usage(keys.job(job_id), samples=0) or 0 for job_id in (recent, other))
    assert other_size < 450
    assert recent_size < 750
