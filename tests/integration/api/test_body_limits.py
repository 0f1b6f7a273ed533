"""A body that is wrong in a hundred thousand places is refused as quickly as one that is wrong in one."""

import gc
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.http import assert_problem
from tests.support.producer import Producer

JSON = {"content-type": "application/json"}
REMINDER = "/producer/api/remind_me"
MANY_KEYS = {f"k{i}": 1 for i in range(80_000)}
MAIL = {"subject": "x", "text": "x"}
NESTED = {"rrule": "FREQ=DAILY", "start_datetime": 1893456000, "notification_metadata": MANY_KEYS}
#: path, body, field that the answer names
COSTLY: dict[str, tuple[str, Any, str]] = {
    "wrong items": ("/producer/api/send_email", MAIL | {"to": [1] * 300_000}, "body.to"),
    "right items": ("/producer/api/send_email", MAIL | {"to": ["a@example.org"] * 50_000}, "body.to"),
    "international domains": ("/producer/api/send_email", MAIL | {"to": [f"a@ü{i}.de" for i in range(40_000)]}, "body.to"),
    "unknown keys": ("/producer/api/sum", {"number": 1} | MANY_KEYS, "body"),
    "unknown keys of a reminder": (REMINDER, MANY_KEYS, "body"),
    "unknown keys inside": (REMINDER, NESTED, "body.notification_metadata"),
    "unknown keys of a schedule": ("/producer/api/schedules", {"task": "sum"} | MANY_KEYS, "body"),
    "unknown arguments of a schedule": ("/producer/api/schedules", {"task": "sum", "every": "1h", "kwargs": MANY_KEYS}, "body.kwargs"),
    "small lists": ("/producer/api/send_email", MAIL | {"to": [[]] * 700_000}, "body.to"),
    "lists in lists": ("/producer/api/sum", {"number": [[[[]]]] * 120_000}, "body.number"),
    "small objects": ("/producer/api/remind_me", {"rrule": [{"a": {}}] * 80_000}, "body."),
    "a long key": ("/producer/api/sum", {"number": 1, "x" * 500_000: 1}, "body.xxx"),
}  # fmt: skip


@pytest.fixture
def http(producer: Producer) -> Iterator[httpx.Client]:
    """A client of the producer."""
    with producer.client() as client:
        yield client


def answering(http: httpx.Client, path: str, content: str) -> float:
    """Return how many seconds the answer to a body that is refused took."""
    begun = time.perf_counter()
    assert_problem(http.post(path, content=content, headers=JSON), 422)
    return time.perf_counter() - begun


def reading(content: str) -> float:
    """Return how many seconds it takes to read JSON and to free it, without garbage collection."""
    gc.disable()
    begun = time.perf_counter()
    json.loads(content)
    took = time.perf_counter() - begun
    gc.enable()
    return took


@pytest.mark.parametrize("case", COSTLY)
def test_the_answer_is_short_and_names_the_field(http: httpx.Client, case: str) -> None:
    """The answer names the first errors, however many there are."""
    path, body, field = COSTLY[case]
    response = http.post(path, content=json.dumps(body), headers=JSON)
    problem = assert_problem(response, 422)
    assert problem["errors"][0]["field"].startswith(field)
    assert len(response.content) < 20_000


@pytest.mark.heavy
@pytest.mark.parametrize("case", COSTLY)
def test_a_rejection_costs_little_more_than_reading_the_body(http: httpx.Client, case: str) -> None:
    """Measured against a text of the same size and reading the same JSON, as validation blocks everybody's requests."""
    path, body, _ = COSTLY[case]
    costly = json.dumps(body)
    text = json.dumps({"number": "x" * len(costly)})
    ratios = [answering(http, path, costly) / (answering(http, path, text) + reading(costly)) for _ in range(5)]
    assert statistics.median(ratios) < 6, ratios


def test_up_to_fifty_errors_are_all_listed(http: httpx.Client) -> None:
    """Up to fifty, each with its place."""
    problem = assert_problem(http.post("/producer/api/send_email", json=MAIL | {"to": ["no address"] * 50}), 422)
    assert [error["field"] for error in problem["errors"]][::49] == ["body.to.0", "body.to.49"]


def test_a_hundred_keys_are_allowed(http: httpx.Client) -> None:
    """Unknown ones are named, fifty of them."""
    problem = assert_problem(http.post("/producer/api/sum", json={f"k{i}": 1 for i in range(100)}), 422)
    assert len(problem["errors"]) == 50
