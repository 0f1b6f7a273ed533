"""An entry in Redis that another program has damaged breaks no list: what is readable beside it is still shown."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.support.http import assert_problem
from tests.support.producer import StartProducer
from tests.support.wait import wait_until

API = "/producer/api"
GOOD = {"name": "good@host", "pool": "solo", "slots": 1, "queues": ["cpu"], "up_since": 1.5}
RUNNING = {
    "task": "sum",
    "status": "STARTED",
    "queue": "cpu",
    "submitted_at": 1,
    "started_at": 2,
    "consumer": "good@host",
}
PRODUCER = {"name": "other", "up_since": 1.5, "requests": 0, "pages": 0}
#: Instead of a description in JSON: nested deeply, and with values of other types or sizes.
NOT_JSON = ("1", "null", "{}", "no JSON", b"\xff", "[" * 5000, '{"name": ' * 5000)
WRONG_CONSUMERS: list[dict[str, Any]] = [
    {"name": 1},
    {"name": "\ud800"},
    {"slots": "x"},
    {"slots": 10**400},
    {"queues": "cpu"},
    {"queues": [["cpu"]]},
    {"up_since": float("nan")},
    {"up_since": 1e300},
    {"tasks": [1]},
    {"pid": 10**30},
]
WRONG_PRODUCERS: list[dict[str, Any]] = [{"requests": "x"}, {"requests": float("inf")}, {"name": None}, {"pages": []}]
CONSUMERS = [json.dumps(GOOD | wrong) for wrong in WRONG_CONSUMERS]
PRODUCERS = [json.dumps(PRODUCER | wrong) for wrong in WRONG_PRODUCERS]


@pytest.fixture(scope="module")
def http(start: StartProducer) -> Iterator[httpx.Client]:
    """A client of a producer that offers chaos."""
    with start(chaos=1).client() as client:
        yield client


@pytest.fixture(autouse=True)
def _entries(redis: Any, http: httpx.Client) -> None:
    """Write what is in order: a consumer that runs a job, and a waiting job."""
    redis.set("consumer:good@host", json.dumps(GOOD))
    redis.sadd("consumers", "good@host")
    redis.hset("job:runs", mapping=RUNNING)
    redis.zadd("leases:cpu", {"runs": 5})
    http.post(f"{API}/sum", json={"number": 1}).raise_for_status()


def _check(http: httpx.Client) -> None:
    """Check that all lists have what is in order."""
    cpu = next(each for each in http.get(f"{API}/queues").raise_for_status().json() if each["queue"] == "cpu")
    (consumer,) = http.get(f"{API}/consumers").raise_for_status().json()
    assert (cpu["waiting"] >= 1, consumer["name"], [each["job_id"] for each in consumer["busy"]]) == (
        True,
        "good@host",
        ["runs"],
    )
    possible = {
        each["action"]: each["possible"] for each in http.get(f"{API}/chaos").raise_for_status().json()["actions"]
    }
    assert possible["kill-consumer"]
    http.get(f"{API}/tasks").raise_for_status()
    look = http.get(f"{API}/overview").raise_for_status().json()
    assert [each["name"] for each in look["consumers"]] == ["good@host"]
    assert {each["job_id"] for each in look["consumers"][0]["busy"]} == {"runs"}
    assert "other" not in {each["name"] for each in look["producers"]}
    assert look["stale_since"] is None


@pytest.mark.parametrize("text", [*NOT_JSON, *CONSUMERS], ids=lambda text: repr(text)[:60])
def test_the_heartbeat_of_a_consumer(http: httpx.Client, redis: Any, text: str | bytes) -> None:
    """One that is no description of a consumer is skipped."""
    redis.set("consumer:odd", text)
    redis.sadd("consumers", "odd", b"\xff")
    _check(http)


@pytest.mark.parametrize("text", [*NOT_JSON, *PRODUCERS], ids=lambda text: repr(text)[:60])
def test_the_heartbeat_of_a_producer(http: httpx.Client, redis: Any, text: str | bytes) -> None:
    """One that is no description of a producer is skipped."""
    redis.set("producer:other", text)
    redis.sadd("producers", "other", b"\xff")
    _check(http)


def _is_no_hash(redis: Any, job_id: str) -> None:
    redis.delete(f"job:{job_id}")
    redis.set(f"job:{job_id}", "no hash")


def _field(name: str, value: str | bytes) -> Callable[[Any, str], None]:
    def damage(redis: Any, job_id: str) -> None:
        redis.hset(f"job:{job_id}", name, value)

    damage.__name__ = f"{name} {value!r}"
    return damage


@pytest.mark.parametrize(
    "damage",
    [_is_no_hash, *(_field("submitted_at", value) for value in ("never", "nan", "-inf", b"\xff"))],
    ids=lambda damage: damage.__name__,
)
def test_the_record_at_the_head_of_a_queue(http: httpx.Client, redis: Any, damage: Callable[[Any, str], None]) -> None:
    """Its age is unknown; the jobs are counted."""
    redis.rpush("cpu", "odd")
    redis.hset("job:odd", mapping={"task": "sum", "status": "PENDING", "queue": "cpu"})
    damage(redis, "odd")
    _check(http)


@pytest.mark.parametrize(
    "damage",
    [
        _is_no_hash,
        *(_field("started_at", value) for value in ("x", "nan", "inf", "1e300")),
        _field("consumer", b"\xff"),
        _field("task", b"\xff"),
    ],
    ids=lambda damage: damage.__name__,
)
def test_the_record_of_a_running_job(http: httpx.Client, redis: Any, damage: Callable[[Any, str], None]) -> None:
    """The other jobs of its consumer are listed."""
    redis.zadd("leases:cpu", {"odd": 5})
    redis.hset("job:odd", mapping=RUNNING | {"consumer": "odd@host"})
    if damage is not _is_no_hash:
        redis.hset("job:odd", "consumer", "good@host")
    damage(redis, "odd")
    if damage.__name__.startswith("task"):  # a name that is shown
        redis.hset("job:odd", "consumer", "odd@host")
    _check(http)


def test_the_index_of_running_jobs(http: httpx.Client, redis: Any) -> None:
    """It may have an id that is not UTF-8."""
    redis.zadd("leases:cpu", {b"\xff": 6})
    _check(http)


SHARED: dict[str, set[str]] = {
    "jobs:recent": {"jobs", "failures"},
    "consumers": {"consumers", "chaos", "overview"},
    "producers": {"overview"},
    **{key: set[str]() for key in ("taken", "cards", "broker:stock", "broker:amqp", "inbox:rejected")},
}
OF_A_QUEUE = ["cpu", "cpu\x06\x160", "delayed:cpu", "leases:cpu", "bell:cpu", "counts:cpu"]


@pytest.mark.parametrize("key", [*SHARED, *OF_A_QUEUE], ids=repr)
def test_a_key_that_another_program_has_overwritten(http: httpx.Client, redis: Any, key: str) -> None:
    """It hides nothing that can be told without it; an answer that needs it is a 503 that names it."""
    redis.delete(key)
    redis.set(key, "x")
    lists = ("queues", "consumers", "chaos", "tasks", "jobs", "failures", "overview")
    for name in (*lists, "jobs/runs", "jobs/runs/story"):
        if name in SHARED.get(key, ()):  # an overview that was taken before may be shown for a moment
            url = f"{API}/{name}"
            wait_until(lambda: (answer := http.get(url)).status_code == 503 and _names(answer, key))  # noqa: B023
        else:
            http.get(f"{API}/{name}").raise_for_status()
    queues = {each["queue"]: each for each in http.get(f"{API}/queues").json()}
    shown = key in OF_A_QUEUE[:4]
    assert {name: each.get("damaged") for name, each in queues.items() if "damaged" in each} == (
        {"cpu": [key]} if shown else {}
    )
    assert http.post(f"{API}/wait_and_return", json={"seconds": 0}).status_code == 202
    accepted = http.post(f"{API}/sum", json={"number": 1})
    assert accepted.status_code == 202 or (key == "cpu" and _names(accepted, key))


@pytest.mark.parametrize("way", [{}, {"countdown": 60}], ids=repr)
def test_a_job_that_cannot_be_queued_leaves_no_trace(http: httpx.Client, redis: Any, way: dict[str, int]) -> None:
    """The answer names the key of its queue that another program has overwritten."""
    key = "delayed:cpu" if way else "cpu"
    redis.delete(key)
    redis.set(key, "x")
    assert _names(http.post(f"{API}/sum", params={"job_id": "a", **way}, json={"number": 1}), key)
    assert not redis.exists("job:a")
    redis.delete(key)
    assert http.post(f"{API}/sum", params={"job_id": "a", **way}, json={"number": 1}).status_code == 202


def test_a_record_that_is_no_hash(http: httpx.Client, redis: Any) -> None:
    """Every answer about this job is a 503 that names its key."""
    _is_no_hash(redis, "odd")
    answers = [http.get(f"{API}/{path}") for path in ("sum/odd", "jobs/odd", "jobs/odd/story", "jobs/odd/record")]
    answers += [http.delete(f"{API}/{path}") for path in ("sum/odd", "jobs/odd")]
    answers += [http.post(f"{API}/jobs/odd/{action}") for action in ("requeue", "forget")]
    answers.append(http.post(f"{API}/sum?job_id=odd", json={"number": 1}))
    assert all(_names(answer, "job:odd") for answer in answers)


def _names(answer: httpx.Response, key: str) -> bool:
    """Tell whether an answer says that a key is overwritten."""
    assert_problem(answer, 503)
    return f"overwritten the key {key!r}" in answer.json()["detail"]


RUN = {"attempt": 1, "consumer": "c", "started_at": 1, "ended_at": 2, "outcome": "retry", "error": None}


@pytest.mark.parametrize(
    "line",
    [
        "5",
        "null",
        "[" * 5000,
        json.dumps(RUN | {"lease_until": float("inf")}),
        json.dumps(RUN | {"lease_until": -1e300}),
        json.dumps(RUN | {"started_at": "2026-01-01T00:00:00"}),
        json.dumps(RUN | {"consumer": "\ud800"}),
    ],
    ids=lambda line: line[-60:],
)
def test_the_log_of_runs(http: httpx.Client, redis: Any, line: str) -> None:
    """A run that cannot be read is left out of the story of its job."""
    redis.hset("job:runs", "runs", f"{line}\n{json.dumps(RUN | {'lease_until': '1.5'})}")
    story = http.get(f"{API}/jobs/runs/story").raise_for_status().json()
    assert [(run["attempt"], run["outcome"]) for run in story["runs"]] == [(1, "retry"), (1, "running")]


def test_the_relatives_of_a_job(http: httpx.Client, redis: Any) -> None:
    """One whose record is no hash counts as gone; so do dropped runs whose number is none."""
    _is_no_hash(redis, "child")
    redis.hset("job:runs", mapping={"child_ids": "child", "parent": "child", "runs_dropped": "x"})
    story = http.get(f"{API}/jobs/runs/story").raise_for_status().json()
    gone = {"job_id": "child", "task": None, "status": None}
    assert (story["parent"], story["children"], story["runs_dropped"]) == (gone, [gone], 0)


def test_the_stream_of_the_overview_goes_on(http: httpx.Client, redis: Any) -> None:
    """Also if an entry is damaged while pages follow it."""
    with http.stream("GET", f"{API}/overview/events") as answer:
        frames = (line for line in answer.iter_lines() if line.startswith("data:"))
        next(frames)
        redis.set("consumer:odd", "{}")
        redis.set("producer:other", "{}")
        redis.sadd("consumers", "odd")
        redis.sadd("producers", "other")
        redis.hset("job:runs", "started_at", "x")
        wait_until(lambda: not json.loads(next(frames).removeprefix("data:"))["consumers"][0]["busy"], 20)
