"""Python's parser accepts more than JSON, and values that cannot be sent: they are refused, and nothing is stored."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from project.leased_transport import keys
from tests.support.cards import announce, card
from tests.support.http import assert_problem
from tests.support.inbox import push, rejected
from tests.support.processes import RedisServer
from tests.support.producer import StartProducer
from tests.support.wait import wait_until

API = "/producer/api"
JSON = {"content-type": "application/json"}
LONG = "x" * 1000 + "\ud800"
NAMES = ("text", "texts", "values", "table", "anything")
SCHEMA = {"type": "object", "properties": {name: {} for name in NAMES}, "additionalProperties": False}


def nested(levels: int) -> Any:
    """Return lists within each other."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


NOT_STORABLE = {
    "short text": {"text": "\ud800"},
    "long text": {"text": LONG},
    "long text in a list": {"texts": [LONG]},
    "key": {"table": {"\ud800": 1}},
    "inner key": {"table": {"a": {"\ud800": 1}}},
    "NaN": {"table": {"a": float("nan")}},
    "NaN alone": {"anything": float("nan")},
    "infinity": {"values": [float("inf")]},
    "101 levels": {"values": nested(101)},
    "800 levels": {"anything": nested(800)},
    "unknown argument": {"\ud800": 1},
}
STORABLE = {
    "99 levels": {"values": nested(99)},
    "large number": {"values": [10**400]},
    "text": {"text": "\N{GRINNING FACE} \x00", "table": {"é": 1.5}},
}


@pytest.fixture(scope="module")
def http(server: RedisServer, start: StartProducer) -> Iterator[httpx.Client]:
    """A client of a producer with such a task, `keep`, and with an announced one, `pack`."""
    announce(server.client, card(arguments=SCHEMA, queue="default"), ttl=600)
    with start(factory="tests.support.open_tasks:create_app").client() as client:
        wait_until(lambda: client.post(f"{API}/pack", json={}).status_code == 202, what="the task is announced")
        yield client


@pytest.fixture(autouse=True)
def waiting(server: RedisServer) -> Any:
    """Empty the queue, and return how many jobs wait."""
    server.client.delete("default", "inbox", "inbox:rejected")
    return lambda: server.client.llen("default")


@pytest.mark.parametrize("arguments", NOT_STORABLE.values(), ids=NOT_STORABLE)
@pytest.mark.parametrize("task", ["keep", "pack"])
def test_arguments_that_cannot_be_stored_are_refused(
    http: httpx.Client, server: RedisServer, waiting: Any, task: str, arguments: Any
) -> None:
    """However they come: as a job, as other arguments of a job, for a schedule, and by the inbox."""
    bodies = {
        f"{API}/{task}": arguments,
        f"{API}/{task}?priority=1": arguments,  # FastAPI answers
        f"{API}/jobs/{_ended(http, server, task)}/requeue": {"arguments": arguments},
        f"{API}/schedules": {"task": task, "kwargs": arguments, "cron": "@yearly"},
    }
    for path, body in bodies.items():
        problem = assert_problem(http.post(path, content=json.dumps(body), headers=JSON), 422)
        assert all(error["field"].startswith("body") for error in problem["errors"]), path
    assert http.get(f"{API}/schedules").json()["schedules"] == []
    push(server.client, {"task": task, "kwargs": arguments})
    assert rejected(server.client)
    assert waiting() == 0


@pytest.mark.parametrize("arguments", STORABLE.values(), ids=STORABLE)
@pytest.mark.parametrize("task", ["keep", "pack"])
def test_arguments_that_can_be_stored_are_accepted(
    http: httpx.Client, server: RedisServer, waiting: Any, task: str, arguments: Any
) -> None:
    """And shown."""
    content = json.dumps(arguments)
    for path in (f"{API}/{task}", f"{API}/{task}?priority=5"):
        job_id = http.post(path, content=content, headers=JSON).raise_for_status().json()["job_id"]
        message: Any = server.client.hget(keys.job(job_id), "message")
        stored = json.loads(json.loads(message)[0])[1]
        assert {name: stored[name] for name in arguments} == arguments
        assert http.get(f"{API}/jobs/{job_id}/story").status_code == 200
    edited = f'{{"arguments": {content}}}'
    assert http.post(f"{API}/jobs/{job_id}/requeue", content=edited, headers=JSON).status_code == 202
    made = http.post(
        f"{API}/schedules", content=json.dumps({"task": task, "kwargs": arguments, "cron": "@yearly"}), headers=JSON
    )
    assert made.status_code == 201, made.text
    assert http.get(f"{API}/schedules").status_code == 200
    http.delete(made.headers["location"])
    push(server.client, {"task": task, "kwargs": arguments})
    wait_until(lambda: waiting() == 4, what="the inbox has submitted it")


def _ended(http: httpx.Client, server: RedisServer, task: str) -> str:
    job_id = str(http.post(f"{API}/{task}", json={}).raise_for_status().json()["job_id"])
    server.client.hset(keys.job(job_id), "status", "FAILURE")
    server.client.delete("default")
    return job_id
