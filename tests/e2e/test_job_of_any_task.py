"""A job looked up by its id alone, through NGINX."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from celery import states
from redis import Redis

from project.client import Client
from project.leased_transport import keys
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


@pytest.fixture
def hello(redis: Redis) -> Iterator[Callable[[str], str]]:
    """Write the record of a job of `hello`, which has no address of its own, in some state; return its id."""
    job_id = f"test.{uuid4()}"
    record: Any = {"task": "hello", "queue": "default", "message": "[[],{},{}]", "error": '{"type":"E","message":"m"}'}

    def write(status: str) -> str:
        redis.hset(keys.job(job_id), mapping=record | {"status": status, "submitted_at": str(time.time())})
        return job_id

    yield write
    redis.delete(keys.job(job_id))


def test_a_requeued_job_of_a_task_without_an_address_is_found_at_its_location(
    http: httpx.Client, hello: Callable[[str], str]
) -> None:
    """It leads to the address that jobs of all tasks have."""
    job_id = hello(states.FAILURE)
    location = http.post(f"{JOBS}/{job_id}/requeue").raise_for_status().headers["location"]
    assert location == f"{JOBS}/{job_id}"
    assert http.get(location, params={"wait": 20}).json()["status"] == states.SUCCESS


def test_a_job_of_a_task_without_an_address_can_be_cancelled_and_followed(
    http: httpx.Client, hello: Callable[[str], str]
) -> None:
    """By the client too."""
    with Client(str(http.base_url)) as client:
        job_id = hello(states.PENDING)
        assert client.cancel(job_id).status == states.REVOKED
        assert [event.status for event in client.follow(job_id)] == [states.REVOKED]


def test_a_job_can_be_followed_without_its_task(http: httpx.Client) -> None:
    """The events are those at the task's own address; an unknown id is a 404."""
    job_id = submit(http, "sum", number=10)
    finished(http, "sum", job_id)
    assert http.get(f"{JOBS}/{job_id}/events").text == http.get(f"/producer/api/sum/{job_id}/events").text
    assert_problem(http.get(f"{JOBS}/never-known/events"), 404)
