"""Finding jobs: by task, status, queue, time, error and text, page by page, and what a search says of its limits."""

import json
import time
from typing import Any

import httpx
import pytest

from project.leased_transport import scripts
from project.leased_transport.records import RECENT_LIMIT
from tests.chaos.proxy import CuttingProxy
from tests.support.http import assert_problem
from tests.support.processes import RedisServer
from tests.support.producer import Producer, StartProducer

API = "/producer/api"
JOBS = f"{API}/jobs"


@pytest.fixture
def http(producer: Producer, redis: Any) -> Any:
    """A client of the producer."""
    with producer.client() as client:
        yield client


def _submit(http: httpx.Client, task: str, **arguments: Any) -> str:
    answer = http.post(f"{API}/{task}", json=arguments)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def _end(redis: Any, job_id: str, kind: str = "ValueError", message: str = "no", at: float = 1000.0) -> None:
    """End a job as failed."""
    error = json.dumps({"type": kind, "message": message})
    redis.hset(f"job:{job_id}", mapping={"status": "FAILURE", "error": error, "finished_at": f"{at:.3f}"})


def _found(http: httpx.Client, **params: Any) -> list[str]:
    answer = http.get(JOBS, params=params)
    assert answer.status_code == 200, answer.text
    return [job["job_id"] for job in answer.json()["jobs"]]


def test_jobs_are_found_by_queue_time_error_and_text(http: httpx.Client, redis: Any) -> None:
    """All filters together, each on its own, and the arguments with each job."""
    summed = _submit(http, "sum", number=4711)
    waits = _submit(http, "wait_and_return", seconds=0, message='Grüße "an" alle\n')
    before = "2026-01-01T00:00:00.123Z"
    redis.hset(f"job:{waits}", "submitted_at", "1767225600.123")
    redis.hset(f"job:{summed}", "submitted_at", "1767225600.122")
    failed = _submit(http, "divide", dividend=1, divisor=0)
    _end(redis, failed, "ZeroDivisionError")
    assert _found(http, queue="cpu") == [summed]
    assert _found(http, submitted_to=before) == [waits, summed]
    assert _found(http, submitted_from=before) == [failed, waits]
    assert _found(http, error_type="ZeroDivisionError") == [failed]
    assert _found(http, error_type="ZeroDivision") == []
    assert _found(http, text="4711") == [summed]
    assert _found(http, text="grüße") == [waits]
    assert _found(http, text='\\"an\\" ALLE') == [waits]
    assert _found(http, text='Grüße "an" alle') == [waits]
    assert _found(http, text='"number": 4711', queue="cpu", task="sum", status="PENDING") == [summed]
    assert _found(http, text="sum") == []  # in the message, but not in the arguments
    listed = http.get(JOBS, params={"text": "4711"}).json()
    assert listed["jobs"][0]["arguments"] == {"number": 4711}
    searched = listed["searched"]
    assert (searched["jobs"], searched["of"], searched["limit"], searched["complete"]) == (3, 3, RECENT_LIMIT, True)


def test_pages_of_a_search_for_text_have_no_gaps(http: httpx.Client, redis: Any) -> None:
    """Nor repetitions."""
    wanted = []
    for number in range(5):
        wanted.append(_submit(http, "wait_and_return", seconds=0, message=f"needle {number}"))
        redis.delete("default")  # the queue of this producer holds five jobs
        _submit(http, "wait_and_return", seconds=0, message="hay")
    seen: list[str] = []
    params: dict[str, Any] = {"text": "needle", "limit": 2}
    for _ in range(4):
        page = http.get(JOBS, params=params).json()
        seen += [job["job_id"] for job in page["jobs"]]
        if page["next"] is None:
            break
        params["before"] = page["next"]
    assert seen == wanted[::-1]


def test_secrets_are_neither_shown_nor_found(http: httpx.Client, redis: Any) -> None:
    """Not in the list, the story or the record; a search cannot guess them."""
    job_id = _submit(http, "sum", number=1)
    message = json.loads(redis.hget(f"job:{job_id}", "message"))
    message[0] = json.dumps([[], {"number": 1, "api_key": "hunter2", "nested": {"password": "hunter2"}}, {}])
    message[4] |= {"argsrepr": "hunter2", "kwargsrepr": "hunter2"}
    redis.hset(f"job:{job_id}", "message", json.dumps(message))
    assert _found(http, text="hunter2") == []
    assert _found(http, text="••••") == [job_id]
    for path in ("", f"/{job_id}/story", f"/{job_id}/record"):
        answer = http.get(JOBS + path)
        assert answer.status_code == 200, answer.text
        assert "hunter2" not in answer.text
        assert "••••" in answer.text


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"submitted_from": "yesterday"}, "query.submitted_from"),
        ({"submitted_to": "2030-01-01T00:00:00"}, "query.submitted_to"),
        ({"text": ""}, "query.text"),
        ({"text": "x" * 101}, "query.text"),
        ({"queue": "x" * 201}, "query.queue"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(http: httpx.Client, params: dict[str, str], field: str) -> None:
    """422 names it."""
    problem = assert_problem(http.get(JOBS, params=params), 422)
    assert [error["field"] for error in problem["errors"]] == [field]


def test_failures_are_grouped_by_task_and_type(http: httpx.Client, redis: Any) -> None:
    """With their number, the first and the last, and the job that failed last; hostile errors harm nothing."""
    ids = [_submit(http, "divide", dividend=1, divisor=0) for _ in range(3)]
    for number, job_id in enumerate(ids):
        _end(redis, job_id, "ZeroDivisionError", f"number {number}", 1000.0 + number)
    other = _submit(http, "sum", number=1)
    _end(redis, other, "ValueError", '"type": "Evil"', 2000.0)
    damaged = _submit(http, "sum", number=2)
    redis.hset(f"job:{damaged}", mapping={"status": "FAILURE", "error": b"\xff{", "finished_at": "1.0"})
    answer = http.get(f"{API}/failures").json()
    groups = [(g["task"], g["error_type"], g["count"], g["latest"], g["message"]) for g in answer["groups"]]
    assert groups == [
        ("sum", "ValueError", 1, other, '"type": "Evil"'),
        ("divide", "ZeroDivisionError", 3, ids[2], "number 2"),
        ("sum", "Error", 1, damaged, "…"),
    ]
    times = answer["groups"][1]["first_seen"], answer["groups"][1]["last_seen"]
    assert times == ("1970-01-01T00:16:40Z", "1970-01-01T00:16:42Z")
    assert (answer["groups_total"], answer["searched"]["complete"]) == (3, True)
    assert len(http.get(f"{API}/failures", params={"task": "divide"}).json()["groups"]) == 1


def test_jobs_that_match_are_counted_and_requeued(http: httpx.Client, redis: Any) -> None:
    """A dry run changes nothing."""
    ids = [_submit(http, "divide", dividend=1, divisor=0) for _ in range(2)]
    for job_id in ids:
        _end(redis, job_id)
    revoked = _submit(http, "sum", number=1)
    assert http.delete(f"{JOBS}/{revoked}").json()["status"] == "REVOKED"
    many = f"{JOBS}/requeue"
    dry = http.post(many, params={"dry_run": "1", "error_type": "ValueError"})
    assert (dry.status_code, dry.json()) == (200, {"count": 2, "job_ids": []})
    assert http.post(many, params={"dry_run": "1", "task": "sum"}).json()["count"] == 0
    done = http.post(many, params={"error_type": "ValueError", "task": "divide"})
    assert (done.status_code, sorted(done.json()["job_ids"])) == (202, sorted(ids))
    assert http.post(many, params={"status": "REVOKED"}).json() == {"count": 1, "job_ids": [revoked]}
    assert_problem(http.post(many, params={"status": "SUCCESS"}), 422)


def test_a_job_is_submitted_again_with_edited_arguments(http: httpx.Client, redis: Any) -> None:
    """A new job, validated like any other; each names the other in its story."""
    old = _submit(http, "wait_and_return", seconds=1, message="old")
    answer = http.post(f"{JOBS}/{old}/requeue", json={"arguments": {"seconds": 2, "message": "new"}})
    assert answer.status_code == 202, answer.text
    new = answer.json()["job_id"]
    assert answer.headers["location"] == f"{API}/wait_and_return/{new}" and new != old
    story = http.get(f"{JOBS}/{new}/story").json()
    assert (story["arguments"], story["edited_from"]) == ({"seconds": 2, "message": "new"}, old)
    assert http.get(f"{JOBS}/{old}/story").json()["edited_as"] == [new]
    problem = assert_problem(http.post(f"{JOBS}/{old}/requeue", json={"arguments": {"seconds": "x"}}), 422)
    assert problem["errors"][0]["field"] == "body.arguments.seconds"
    assert_problem(http.post(f"{JOBS}/nothing/requeue", json={"arguments": {}}), 404)
    redis.hdel(f"job:{old}", "message")
    assert_problem(http.post(f"{JOBS}/{old}/requeue", json={"arguments": {}}), 409)


def test_an_ended_job_can_be_forgotten(http: httpx.Client) -> None:
    """Also a revoked one; one that waits cannot."""
    job_id = _submit(http, "sum", number=1)
    assert_problem(http.post(f"{JOBS}/{job_id}/forget"), 409)
    assert http.delete(f"{JOBS}/{job_id}").json()["status"] == "REVOKED"
    assert http.post(f"{JOBS}/{job_id}/forget").status_code == 204
    assert_problem(http.get(f"{JOBS}/{job_id}"), 404)
    assert_problem(http.post(f"{JOBS}/{job_id}/forget"), 404)


def test_the_record_shows_what_lies_in_redis(http: httpx.Client, redis: Any) -> None:
    """Its fields, the message, and the keys that have the job."""
    job_id = _submit(http, "sum", number=3)
    record = http.get(f"{JOBS}/{job_id}/record").json()
    assert (record["key"], record["ttl"], record["fields"]["status"]) == (f"job:{job_id}", None, "PENDING")
    assert record["message"][0][1] == {"number": 3}
    assert {place["key"]: place["index"] for place in record["places"]} == {"jobs:recent": None, "cpu": 0}
    assert_problem(http.get(f"{JOBS}/nothing/record"), 404)
    assert_problem(http.get(f"{JOBS}/nothing/story"), 404)


@pytest.mark.heavy  # writes 100,000 records
def test_a_search_in_all_recent_jobs_answers_in_time(http: httpx.Client, redis: Any) -> None:
    """With what it has searched, in calls of 500 jobs, so that it never blocks Redis for long."""
    body = redis.hget(f"job:{_submit(http, 'wait_and_return', seconds=0, message='x' * 200)}", "message")
    pipeline, now = redis.pipeline(transaction=False), time.time()
    for number in range(100_000):
        fields = {"task": "wait_and_return", "status": "SUCCESS", "queue": "default", "submitted_at": now}
        pipeline.hset(f"job:{number}", mapping=fields | {"message": body, "result": '"x"'})
        if number >= 90_000:
            pipeline.zadd("jobs:recent", {str(number): now + number / 1e6})
        if number % 5000 == 0:
            pipeline.execute()
    pipeline.execute()
    for params in ({"text": "nowhere"}, {"status": "FAILURE"}, {"queue": "none", "text": "xxx"}, {"text": "xxx"}, {}):
        redis.config_resetstat()
        begun = time.monotonic()
        answer = http.get(JOBS, params=params).json()
        assert time.monotonic() - begun < 2, params  # it takes PATIENCE, 0.15 s, at most, and the last call
        searched = answer["searched"]
        assert searched["complete"] or answer["next"]
        calls = redis.info("commandstats")["cmdstat_zrevrangebyscore"]["calls"]
        assert 0 < searched["jobs"] <= calls * 500


def test_a_job_with_edited_arguments_is_accepted_although_the_old_record_cannot_name_it(
    server: RedisServer, start: StartProducer, redis: Any
) -> None:
    """A 503 would invite the client to submit it again; the new job names the old one all the same."""

    def cut(_: int, data: bytes) -> str | None:
        return "before" if scripts.LINK_EDITED.sha.encode() in data else None

    with CuttingProxy(server.port, cut) as proxy, start(proxy.port).client() as http:
        old = _submit(http, "wait_and_return", seconds=1)
        answer = http.post(f"{JOBS}/{old}/requeue", json={"arguments": {"seconds": 2}})
        assert (answer.status_code, proxy.cuts > 0) == (202, True)
    assert redis.hget(f"job:{answer.json()['job_id']}", "edited_from") == old.encode()
