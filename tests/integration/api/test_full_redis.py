"""A Redis that answers, but can store nothing: only what needs memory fails, and the answer says what is full."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis import Redis

from tests.support.http import assert_problem
from tests.support.processes import RedisServer, Worker
from tests.support.producer import StartProducer
from tests.support.wait import wait_until

API = "/producer/api"
NOTIFICATION = {"auth_header": "x", "title": "x", "body": "x", "item_id": 1, "created_at": 1, "created_by": 1}
REMINDER = {
    "rrule": "FREQ=DAILY",
    "start_datetime": 1893456000,
    "notification_metadata": NOTIFICATION | {"classroom_id": 1, "kind": "x"},
}


@pytest.fixture(scope="module", params=["redis", "redis+stock"])
def url(request: pytest.FixtureRequest, server: RedisServer) -> str:
    """A broker of each kind on the same Redis, empty."""
    server.client.flushall()
    return f"{request.param}://127.0.0.1:{server.port}/5"


@pytest.fixture(scope="module")
def http(url: str, start: StartProducer) -> Iterator[httpx.Client]:
    """A client of a producer on that broker."""
    producer = start(broker_url=url, redis_db=5)
    with producer.client() as client:
        yield client
    producer.kill()


@pytest.fixture(scope="module")
def consumer(url: str, server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A consumer of the queue `default`."""
    folder = tmp_path_factory.mktemp("consumer")
    env: dict[str, Any] = {"redis_port": server.port, "redis_db": 5, "run_dir": folder, "consumer_queues": "default"}
    worker = Worker(url, folder, "one", "prefork", app="project.consumer", **env).ready()
    yield worker
    worker.kill()


@pytest.fixture
def ended(http: httpx.Client, consumer: Worker) -> str:
    """A job that has ended."""
    job_id = str(uuid4())
    _submit(http, "wait_and_return", job_id, seconds=0)
    wait_until(lambda: _status(http, job_id) == "SUCCESS")
    return job_id


@pytest.fixture
def running(http: httpx.Client, consumer: Worker) -> Iterator[str]:
    """A job that runs."""
    job_id = str(uuid4())
    _submit(http, "wait_and_return", job_id, seconds=60)
    wait_until(lambda: _status(http, job_id) == "STARTED")
    wait_until(lambda: http.get(f"{API}/consumers").json())
    yield job_id
    http.delete(f"{API}/wait_and_return/{job_id}")


def _submit(http: httpx.Client, task: str, job_id: str, **arguments: Any) -> None:
    assert http.post(f"{API}/{task}", params={"job_id": job_id}, json=arguments).status_code == 202


def _status(http: httpx.Client, job_id: str) -> str:
    return str(http.get(f"{API}/jobs/{job_id}").json()["status"])


def _waiting(http: httpx.Client) -> int:
    return sum(queue["waiting"] for queue in http.get(f"{API}/queues").json())


def _schedule(http: httpx.Client) -> httpx.Response:
    return http.post(f"{API}/schedules", json={"task": "sum", "kwargs": {"number": 1}, "every": "1h"})


def test_a_full_redis_rejects_only_commands_that_need_memory(
    http: httpx.Client, ended: str, running: str, server: RedisServer
) -> None:
    """Beside submitters that are refused, everything else goes on, and the refusal names the limit."""
    schedule_id = _schedule(http).json()["schedule_id"]
    schedules = len(http.get(f"{API}/schedules").json()["schedules"])
    for number in range(10):
        _submit(http, "sum", f"waits-{number}", number=1)
    with server.full():
        for number in range(10):
            for refused in (
                http.post(f"{API}/sum", json={"number": 1}),
                http.post(f"{API}/sum", json={"number": 1}, headers={"Idempotency-Key": "k"}),
                http.post(f"{API}/schedules/{schedule_id}/run"),
                http.post(f"{API}/remind_me", json=REMINDER),
                _schedule(http),
            ):
                assert "out of memory (maxmemory)" in assert_problem(refused, 503)["detail"]
                assert refused.headers["retry-after"] == "5"
            for path in ("jobs", "queues", "consumers", "schedules", f"schedules/{schedule_id}", f"jobs/{running}"):
                assert http.get(f"{API}/{path}").status_code == 200
            assert http.delete(f"{API}/sum/waits-{number}").json()["status"] == "REVOKED"
            assert http.get("/producer/health/ready").status_code == 200
        assert http.patch(f"{API}/schedules/{schedule_id}", json={"paused": True}).json()["status"] == "paused"
        assert http.delete(f"{API}/schedules/{schedule_id}").status_code == 204
        assert len(http.get(f"{API}/schedules").json()["schedules"]) == schedules - 1
        assert http.delete(f"{API}/wait_and_return/{ended}").json()["status"] == "SUCCESS"
        assert http.delete(f"{API}/wait_and_return/{running}").json()["status"] == "REVOKED"
        assert "event: job" in http.get(f"{API}/wait_and_return/{running}/events").text
        detail = assert_problem(http.get("/producer/health/ready?deep=1"), 503)["detail"]
        assert "memory: Redis is out of memory" in detail and "default: 1" in detail
    _submit(http, "sum", "again", number=1)


def test_a_key_of_another_type_is_not_an_outage(http: httpx.Client, server: RedisServer) -> None:
    """The request that needs it fails, and the answer names it; the next one does not."""
    Redis(port=server.port, db=5).lpush("job:taken", "by another program")
    answer = http.post(f"{API}/sum", params={"job_id": "taken"}, json={"number": 1})
    assert "overwritten the key 'job:taken'" in assert_problem(answer, 503)["detail"]
    _submit(http, "sum", "next", number=1)
    assert _status(http, "next") == "PENDING"


def test_a_message_stays_in_the_inbox_of_a_full_redis(http: httpx.Client, server: RedisServer) -> None:
    """It is put back where it was taken out first, and becomes a job when there is memory again."""
    redis: Any = Redis(port=server.port, db=5)
    waiting = _waiting(http)
    with redis.pipeline() as pipe:  # in one step, or the producer would be quicker
        pipe.lpush("inbox", "bad", *['{"task": "sum", "args": [1]}'] * 3).config_set("maxmemory", 1)
        pipe.config_resetstat().execute()
    try:
        wait_until(lambda: redis.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0) > 5)
        wait_until(lambda: redis.llen("inbox") == 3, what="the message that was taken out is back")
        assert _waiting(http) == waiting
    finally:
        redis.config_set("maxmemory", 0)
    wait_until(lambda: (_waiting(http), redis.llen("inbox")) == (waiting + 3, 0))
    assert json.loads(redis.lindex("inbox:rejected", 0))["message"] == "bad"


def test_a_replica_rejects_only_writes(http: httpx.Client, server: RedisServer) -> None:
    """While Redis fails over jobs can be looked up, and clients learn why theirs is not accepted."""
    _submit(http, "sum", "known", number=1)
    schedule_id = _schedule(http).json()["schedule_id"]
    Redis(port=server.port, db=5).sadd("consumers", "gone@host")
    server.client.replicaof("127.0.0.1", "1")
    try:
        for _ in range(3):
            for refused in (
                http.post(f"{API}/sum", json={"number": 1}),
                http.delete(f"{API}/sum/known"),
            ):
                assert "read-only replica" in assert_problem(refused, 503)["detail"]
            for path in ("jobs", "queues", "consumers", f"schedules/{schedule_id}", "jobs/known"):
                assert http.get(f"{API}/{path}").status_code == 200
    finally:
        server.client.replicaof("NO", "ONE")
    wait_until(lambda: http.post(f"{API}/sum", json={"number": 1}).status_code == 202)
