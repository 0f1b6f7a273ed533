"""Requests that are unusual but valid, and answers with values that JSON does not have."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from project.leased_transport import keys
from tests.support.producer import Producer

SUM = "/producer/api/sum"


@pytest.fixture
def http(producer: Producer) -> Iterator[httpx.Client]:
    """A client of a producer."""
    with producer.client() as client:
        yield client


@pytest.fixture
def ended(http: httpx.Client, redis: Any) -> str:
    """The id of a job that has returned NaN; its Idempotency-Key is `once`."""
    answer = http.post(SUM, json={"number": 1}, headers={"Idempotency-Key": "once"})
    job_id = str(answer.raise_for_status().json()["job_id"])
    redis.hset(keys.job(job_id), mapping={"status": "SUCCESS", "result": "NaN"})
    return job_id


def test_a_repeated_request_shows_what_looking_it_up_shows(http: httpx.Client, ended: str) -> None:
    """NaN is null."""
    answer = http.post(SUM, json={"number": 1}, headers={"Idempotency-Key": "once"})
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (200, "true")
    assert answer.json() == http.get(answer.headers["Location"]).json()
    assert answer.json()["result"] is None


@pytest.mark.parametrize("job_id", ["order 17", "Süß ✓", "50%?#"])
def test_a_job_with_an_unusual_id_is_requeued(http: httpx.Client, redis: Any, job_id: str) -> None:
    """Jobs that Python submits may have such ids; `Location` leads to the job."""
    mapping = {"task": "sum", "status": "FAILURE", "queue": "cpu", "submitted_at": 1, "message": "[]"}
    redis.hset(keys.job(job_id), mapping=mapping)
    answer = http.post(f"/producer/api/jobs/{quote(job_id)}/requeue")
    assert answer.status_code == 202, answer.text
    job = http.get(answer.headers["Location"]).raise_for_status().json()
    assert (job["job_id"], job["status"]) == (job_id, "PENDING")


@pytest.mark.parametrize("digits", [9, 10, 5000])
def test_a_preference_to_wait_may_have_any_number_of_digits(http: httpx.Client, ended: str, digits: int) -> None:
    """It is bounded."""
    answer = http.get(f"{SUM}/{ended}", headers={"Prefer": f"wait={'9' * digits}"})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "wait=30")
