"""Jobs of tasks that do what Celery allows and our own tasks do not: they are shown, alone and in the list."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis import Redis

from project.leased_transport import keys
from tests.support.http import assert_problem

KNOWN: Any = {"task": "sum", "queue": "cpu", "submitted_at": "2026-11-21T12:00:00Z"}


def nested(levels: int, inner: str = "1") -> str:
    """Return the JSON of lists and dictionaries within each other."""
    return '{"a": [' * (levels // 2) + inner + "]}" * (levels // 2)


@pytest.fixture
def ended(redis: Redis) -> Iterator[Any]:
    """Write the record of a job as a consumer does, and return its id."""
    written = []

    def write(**fields: Any) -> str:
        written.append(job_id := f"test.{uuid4()}")
        redis.hset(keys.job(job_id), mapping=KNOWN | fields)
        redis.zadd(keys.RECENT, {job_id: float(redis.time()[0])})
        return job_id

    yield write
    for job_id in written:
        redis.delete(keys.job(job_id))
        redis.zrem(keys.RECENT, job_id)


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        ({"status": "SUCCESS"}, {"status": "SUCCESS", "result": None}),  # ignore_result
        ({"status": "SUCCESS", "result": '"text"'}, {"result": "text"}),  # declared -> int
        ({"status": "SUCCESS", "result": r'"half \ud800 of it"'}, {"result": "half ? of it"}),
        ({"status": "SUCCESS", "result": r'"all \ud83d\ude00 of it"'}, {"result": "all \N{GRINNING FACE} of it"}),
        ({"status": "SUCCESS", "result": r'{"\uD800": "half \uD800 of it"}'}, {"result": {"?": "half ? of it"}}),
        ({"status": "SUCCESS", "result": "NaN"}, {"result": None}),
        ({"status": "SUCCESS", "result": nested(100)}, {"result": json.loads(nested(100))}),
        ({"status": "SUCCESS", "result": nested(300)}, {"result": json.loads(nested(100, '"…"'))}),
        ({"status": "PROGRESS"}, {"status": "STARTED", "ready": False, "result": None}),  # update_state
        (
            {"status": "FAILURE", "error": r'{"type": "ValueError", "message": "\udcff"}'},
            {"error": {"type": "ValueError", "message": "?"}},
        ),
    ],
)
def test_a_job_with_an_unusual_ending_is_shown(
    http: httpx.Client, ended: Any, record: dict[str, str], shown: dict[str, Any]
) -> None:
    """At its address, in the list, and when it is taken back."""
    job_id = ended(**record)
    job = http.get(f"/producer/api/sum/{job_id}").raise_for_status().json()
    assert {name: job[name] for name in shown} == shown
    listed = http.get("/producer/api/jobs", params={"limit": 200}).raise_for_status().json()["jobs"]
    assert job in [{name: value for name, value in each.items() if name != "arguments"} for each in listed]
    if job["ready"]:
        assert http.delete(f"/producer/api/sum/{job_id}").raise_for_status().json() == job


@pytest.mark.parametrize(
    "record",
    [
        {"status": "SUCCESS", "result": "{", "token": "many"},
        {"status": "PENDING", "queue": ""},
        {"status": "PENDING", "step": "odd"},
        {"status": "STARTED", "token": "many", "started_at": "then"},
        {"status": "PROGRESS"},
    ],
)
@pytest.mark.parametrize("lacks", ["", "queue", "submitted_at"])
def test_a_damaged_job_can_be_deleted(
    http: httpx.Client, redis: Redis, ended: Any, record: dict[str, str], lacks: str
) -> None:
    """As the error in it suggests."""
    job_id = ended(**record)
    redis.hdel(keys.job(job_id), lacks)
    job = http.delete(f"/producer/api/jobs/{job_id}").raise_for_status().json()
    assert job["status"] == ("SUCCESS" if record["status"] == "SUCCESS" else "REVOKED")


def test_arguments_with_half_a_character_are_shown(http: httpx.Client, ended: Any) -> None:
    """A job that another one submits may have them; in the list, in the story and in the raw record."""
    body = json.dumps([[], {"text": "half \ud800 of it", "table": {"\ud800": 1}}, {}])
    job_id = ended(status="SUCCESS", message=json.dumps([body, None, "application/json", "utf-8", {}, {}]))
    shown = {"text": "half ? of it", "table": {"?": 1}}
    listed = http.get("/producer/api/jobs", params={"limit": 200}).raise_for_status().json()["jobs"]
    assert [each["arguments"] for each in listed if each["job_id"] == job_id] == [shown]
    assert http.get(f"/producer/api/jobs/{job_id}/story").raise_for_status().json()["arguments"] == shown
    record = http.get(f"/producer/api/jobs/{job_id}/record").raise_for_status().json()
    assert record["message"][0][1] == json.loads(record["fields"]["message"])[0][1] == shown


def test_a_record_without_a_task_is_no_job(http: httpx.Client, redis: Redis) -> None:
    """What Celery writes of a step of a chain that was never submitted is not a job yet, and it stays."""
    step = {b"status": b"FAILURE", b"error": b"{}"}
    redis.hset(keys.job("test.step"), mapping=step)  # type: ignore[arg-type]
    requests = [("GET", ""), ("GET", "/story"), ("GET", "/record"), ("DELETE", "")]
    requests += [("POST", "/forget"), ("POST", "/requeue")]
    for method, path in requests:
        assert_problem(http.request(method, f"/producer/api/jobs/test.step{path}"), 404)
    assert redis.hgetall(keys.job("test.step")) == step
    redis.delete(keys.job("test.step"))
