"""The load test, driven through NGINX as its web page does."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.wait import wait_until

SUBMITTER = {"/producer/api/sum (submit only)"}
OF_A_JOB = {"job: queue wait", "job: run time", "job: end to end"}
WAITER = {"/producer/api/sum", "/producer/api/sum/[job_id]"} | OF_A_JOB


@pytest.fixture
def stopped_afterwards(http: httpx.Client) -> Iterator[None]:
    """No load is left for the tests that follow."""
    yield
    http.post("/load-test/stop")
    wait_until(lambda: statistics(http)["state"] == "stopped", what="the load test has stopped")


def statistics(http: httpx.Client) -> dict[str, Any]:
    """Return the statistics of the load test; Locust keeps an answer for 2 s."""
    return dict(http.get("/load-test/stats/requests").raise_for_status().json())


def preset(http: httpx.Client) -> dict[str, Any]:
    """Return what the load test's form starts with."""
    found = re.search(r"templateArgs = (\{.*\})", http.get("/load-test/").text)
    assert found
    return dict(json.loads(found[1]))


def rows(http: httpx.Client) -> dict[str, dict[str, Any]]:
    """Return the rows of the statistics that have at least one request, by name."""
    return {row["name"]: row for row in statistics(http)["stats"] if row["num_requests"]}


def test_the_form_starts_with_the_address_of_nginx(http: httpx.Client, url: str) -> None:
    """Natively that is the page's own address, in containers the name of the service."""
    host = preset(http)["host"]
    assert host == url or urlsplit(host).hostname == "nginx"


def test_two_requests_in_a_row_are_both_answered(http: httpx.Client) -> None:
    """NGINX does not send the second one on a connection that Locust is about to close."""
    statuses = []
    for _ in range(50):
        statistics(http)
        statuses.append(http.post("/load-test/stop").status_code)
    assert set(statuses) == {200}


@pytest.mark.usefixtures("stopped_afterwards")
def test_both_kinds_of_users_submit_and_none_fails(http: httpx.Client) -> None:
    """A few seconds of load fill the rows of both user classes without a failure, and stop ends it."""
    form = {"user_count": "4", "spawn_rate": "4", "host": preset(http)["host"]}
    assert http.post("/load-test/swarm", data=form).json()["success"]
    wait_until(lambda: rows(http).keys() >= SUBMITTER | WAITER, what="both kinds of users have reported")
    measured = rows(http)
    assert {name: row["num_failures"] for name, row in measured.items()} == dict.fromkeys(measured, 0)
    assert measured["job: end to end"]["avg_response_time"] >= measured["job: run time"]["avg_response_time"] > 0

    assert http.post("/load-test/stop").json()["success"]
    wait_until(lambda: statistics(http)["state"] == "stopped", what="the load test has stopped")
    assert statistics(http)["user_count"] == 0
    assert len({row["num_requests"] for name, row in rows(http).items() if name in OF_A_JOB}) == 1
