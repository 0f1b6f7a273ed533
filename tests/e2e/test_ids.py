"""Ids and repeats, through NGINX: a client can choose the id, and say that a request is the one it sent before."""

import asyncio
import json
import socket
from collections import Counter
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from redis import Redis

from project.client import Client, ProblemError
from project.derived_ids import NAMESPACES, derived_id
from project.inbox.redis_list import INBOX, REJECTED
from tests.support.http import assert_problem, finished, look_up
from tests.support.wait import wait_until

SUM = "/producer/api/sum"


@pytest.fixture
def job_id() -> str:
    """An unused id."""
    return f"test.{uuid4()}"


def test_an_id_can_be_chosen_once(http: httpx.Client, job_id: str) -> None:
    """The second job of the id is refused, and the first is what it was."""
    accepted = http.post(SUM, params={"job_id": job_id}, json={"number": 3})
    assert (accepted.status_code, accepted.json()["job_id"]) == (202, job_id)
    assert accepted.headers["location"] == f"{SUM}/{job_id}"
    assert_problem(http.post(SUM, params={"job_id": job_id}, json={"number": 4}), 409)
    assert finished(http, "sum", job_id)["result"] == 6


def test_of_200_requests_that_race_for_an_id_one_wins(url: str, job_id: str) -> None:
    """Exactly one gets 202; all others get 409."""

    async def race() -> Counter[int]:
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=50)) as client:
            send = [client.post(SUM, params={"job_id": job_id}, json={"number": 1}) for _ in range(200)]
            return Counter(answer.status_code for answer in await asyncio.gather(*send))

    assert asyncio.run(race()) == {202: 1, 409: 199}


def test_a_chosen_id_that_arrives_twice_by_way_of_nginx_is_one_job(
    http: httpx.Client, producer_url: str, job_id: str
) -> None:
    """The producer that NGINX asks second answers as the first would have."""
    headers = {"x-request-id": uuid4().hex}
    send = {"params": {"job_id": job_id}, "json": {"number": 1}, "headers": headers}
    assert [httpx.post(f"{producer_url}{SUM}", **send).status_code for _ in range(2)] == [202, 202]  # type: ignore[arg-type]
    assert finished(http, "sum", job_id)["attempts"] == 1


@pytest.mark.parametrize("bad", ["", "a b", "ä", "a/b", "x" * 129, ".", ".."])
def test_an_id_that_is_not_allowed_is_named(http: httpx.Client, bad: str) -> None:
    """422 says which field is wrong."""
    problem = assert_problem(http.post(SUM, params={"job_id": bad}, json={"number": 1}), 422)
    assert problem["errors"][0]["field"] == "query.job_id"


@pytest.mark.parametrize("dots", [".", ".."])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{SUM}/{{}}"),
        ("DELETE", f"{SUM}/{{}}"),
        ("GET", f"{SUM}/{{}}/events"),
        ("GET", "/producer/api/jobs/{}"),
        ("POST", "/producer/api/jobs/{}/requeue"),
        ("GET", "/producer/api/schedules/{}"),
    ],
)
def test_a_dot_segment_as_an_id_is_rejected(producer_url: str, method: str, path: str, dots: str) -> None:
    """It never reaches the address that remains when the segment is removed: jobs/./requeue is not jobs/requeue."""
    head = f"{method} {path.format(dots)} HTTP/1.0\r\nHost: localhost\r\n\r\n"
    place = urlsplit(producer_url)
    with socket.create_connection((str(place.hostname), place.port or 80), timeout=10) as connection:
        connection.sendall(head.encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 422"), answer
    assert b"which the path of a URL cannot contain" in answer


@pytest.mark.parametrize("dots", [".", ".."])
def test_the_client_rejects_a_dot_segment_as_an_id(url: str, dots: str) -> None:
    """`requeue .` would requeue all failed jobs, as httpx removes the dot."""
    with Client(url) as client:
        for ask in (client.get, client.cancel, client.requeue, lambda job_id: list(client.follow(job_id))):
            with pytest.raises(ProblemError) as refused:
                ask(dots)
            assert refused.value.status == 422


def test_a_repeated_request_gets_the_first_job_again(http: httpx.Client, job_id: str) -> None:
    """Same key and body: 200 and the job as it is; the order of the fields does not matter."""
    headers = {"Idempotency-Key": job_id}
    first = http.post("/producer/api/wait_and_return", headers=headers, json={"seconds": 0, "message": "once"})
    assert (first.status_code, "idempotent-replayed" in first.headers) == (202, False)
    finished(http, "wait_and_return", first.json()["job_id"])
    again = http.post("/producer/api/wait_and_return", headers=headers, json={"message": "once", "seconds": 0})
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.json() == look_up(http, "wait_and_return", first.json()["job_id"])
    assert again.headers["location"] == first.headers["location"]


def test_a_key_cannot_be_used_for_another_body(http: httpx.Client, job_id: str) -> None:
    """The same key means the same intent, so another body is refused; another task has keys of its own."""
    headers = {"Idempotency-Key": job_id}
    assert http.post(SUM, headers=headers, json={"number": 1}).status_code == 202
    assert_problem(http.post(SUM, headers=headers, json={"number": 2}), 409)
    other = http.post("/producer/api/wait_and_return", headers=headers, json={"seconds": 0})
    assert other.status_code == 202


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_a_key_that_is_not_allowed_is_named(http: httpx.Client, key: str) -> None:
    """422 says which header is wrong."""
    problem = assert_problem(http.post(SUM, headers={"Idempotency-Key": key}, json={"number": 1}), 422)
    assert problem["errors"][0]["field"] == "header.idempotency-key"


def test_two_different_keys_are_refused(http: httpx.Client, job_id: str) -> None:
    """Some proxies repeat a header as it is, which changes nothing."""
    for keys_sent, status in ((("a", "b"), 422), (("a", "a"), 202)):
        headers = [("Idempotency-Key", f"{job_id}.{each}") for each in keys_sent]
        assert http.post(SUM, headers=headers, json={"number": 1}).status_code == status


def test_a_key_and_an_id_exclude_each_other(http: httpx.Client, job_id: str) -> None:
    """The key makes the id, so both together cannot be kept."""
    answer = http.post(SUM, headers={"Idempotency-Key": "k"}, params={"job_id": job_id}, json={"number": 1})
    assert assert_problem(answer, 422)["errors"][0]["field"] == "query.job_id"


@pytest.mark.parametrize("kind", NAMESPACES)
def test_an_id_that_the_stack_makes_cannot_be_chosen(http: httpx.Client, redis: Redis, job_id: str, kind: str) -> None:
    """Such ids are predictable, so clients must not occupy them: a 422 over HTTP, a rejected message in the inbox."""
    derived = derived_id(kind, f"sum {job_id}")
    problem = assert_problem(http.post(SUM, params={"job_id": derived}, json={"number": 1}), 422)
    assert problem["errors"][0]["field"] == "query.job_id"
    redis.lpush(INBOX, json.dumps({"task": "sum", "args": [1], "job_id": derived}))
    wait_until(lambda: any(derived.encode() in entry for entry in redis.lrange(REJECTED, 0, -1)))
    assert http.get(f"/producer/api/jobs/{derived}").status_code == 404


def test_the_owner_of_a_key_gets_the_job_that_the_key_names(http: httpx.Client, job_id: str) -> None:
    """Its id is the one that could be computed; it can be looked up, followed and forgotten, and the key used again."""
    headers, derived = {"Idempotency-Key": job_id}, derived_id("key", f"sum {job_id}")
    for _ in range(2):
        accepted = http.post(SUM, headers=headers, json={"number": 4})
        assert (accepted.status_code, accepted.json()["job_id"]) == (202, derived)
        assert accepted.headers["location"] == f"{SUM}/{derived}"
        assert finished(http, "sum", derived)["result"] == 10
        assert "event: job" in http.get(f"{SUM}/{derived}/events").text
        assert http.delete(accepted.headers["location"]).json()["result"] == 10


def test_a_request_id_that_names_a_job_of_another_task_is_refused(http: httpx.Client, producer_url: str) -> None:
    """NGINX generates request ids, but a client with direct access to the producer can send any: it gets an error."""
    request_id = uuid4()
    taken = http.post("/producer/api/wait_and_return", params={"job_id": str(request_id)}, json={"seconds": 0})
    assert taken.status_code == 202
    headers = {"x-request-id": request_id.hex}
    assert_problem(httpx.post(f"{producer_url}{SUM}", headers=headers, json={"number": 1}), 409)


def test_a_job_for_later_waits_for_its_time(http: httpx.Client, job_id: str) -> None:
    """A countdown and an eta are kept; an eta in the past is now."""
    http.post(SUM, params={"job_id": job_id, "countdown": 60}, json={"number": 1})
    later, past = (datetime.now(UTC) + timedelta(seconds=change) for change in (60, -60))
    http.post(SUM, params={"job_id": f"{job_id}.later", "eta": later.isoformat()}, json={"number": 1})
    http.post(SUM, params={"job_id": f"{job_id}.now", "eta": past.isoformat()}, json={"number": 1})
    assert finished(http, "sum", f"{job_id}.now")["result"] == 1
    assert [look_up(http, "sum", each)["status"] for each in (job_id, f"{job_id}.later")] == ["PENDING", "PENDING"]
    for each in (job_id, f"{job_id}.later"):
        assert http.delete(f"{SUM}/{each}").status_code == 200


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"countdown": "-1"}, "query.countdown"),
        ({"countdown": "soon"}, "query.countdown"),
        ({"countdown": "nan"}, "query.countdown"),
        ({"eta": "tomorrow"}, "query.eta"),
        ({"eta": "2030-01-01T00:00:00"}, "query.eta"),
        ({"eta": "2999-01-01T00:00:00Z"}, "query.eta"),
        ({"eta": "9999-12-31T23:59:59-12:00"}, "query.eta"),
        ({"eta": "2030-01-01T00:00:00Z", "countdown": "1"}, "query"),
        ({"priority": "10"}, "query.priority"),
        ({"colour": "red"}, "query.colour"),
    ],
)
def test_an_option_that_is_invalid_is_named_in_the_error(
    http: httpx.Client, params: dict[str, str], field: str
) -> None:
    """422 says which parameter is wrong, and nothing is queued."""
    problem = assert_problem(http.post(SUM, params=params, json={"number": 1}), 422)
    assert [error["field"] for error in problem["errors"]] == [field]
