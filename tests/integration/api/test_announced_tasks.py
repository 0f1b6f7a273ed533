"""Tasks that a consumer announces and the producer has no code for."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from project.cards import store
from project.cards.card import digest
from tests.support.cards import announce, card
from tests.support.http import assert_problem, finished
from tests.support.inbox import LIMIT, push, rejected
from tests.support.processes import RedisServer, Worker
from tests.support.producer import Producer
from tests.support.wait import wait_until

AT_MOST = 10  # seconds from the announcement to the endpoint


@pytest.fixture(scope="module")
def consumer(server: RedisServer, producer: Producer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A consumer with tasks of its own, started beside a producer that runs already."""
    settings: Any = {"task_modules": "tests.support.remote_tasks", "consumer_queues": "shop"}
    folder = tmp_path_factory.mktemp("consumer")
    with Worker(server.url, folder, "shop", app="project.consumer", run_dir=folder, **settings) as worker:
        wait_until(lambda: server.client.exists("cards"), what="the consumer announces its tasks")
        with producer.client() as http:
            wait_until(lambda: "price" in catalogue(http), AT_MOST, "the task is in the catalogue")
        yield worker


@pytest.fixture
def http(producer: Producer, consumer: Worker) -> Iterator[httpx.Client]:
    """A client of the producer that knows the announced tasks."""
    with producer.client() as client:
        yield client


def catalogue(http: httpx.Client) -> dict[str, dict[str, Any]]:
    """Return the catalogue by the names of the tasks."""
    return {task["task"]: task for task in http.get("/producer/api/tasks").json()}


def test_an_announced_task_accepts_jobs_and_has_results(http: httpx.Client) -> None:
    """POST, GET with ?wait, and DELETE work as for a task that the producer has code for."""
    response = http.post("/producer/api/price", json={"items": [{"tea": 3}, {"cake": 4}]})
    assert response.status_code == 202
    address = response.headers["location"]
    assert address == f"/producer/api/price/{response.json()['job_id']}"
    job = http.get(f"{address}?wait=10").json()
    assert (job["status"], job["result"], job["queue"], job["task"]) == ("SUCCESS", "7 EUR", "shop", "price")
    assert http.delete(address).json()["result"] == "7 EUR"
    assert_problem(http.get(address), 404)


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("body.items", "Field required")]),
        ({"items": 1}, [("body.items", "Input should be a valid list")]),
        ({"items": [{"tea": "x"}]}, [("body.items.0.tea", "Input should be a valid integer")]),
        ({"items": [], "currency": "X"}, [("body.currency", "Input should be 'EUR' or 'USD'")]),
        ({"items": [], "more": 1}, [("body.more", "Extra inputs are not permitted")]),
        ([], [("body", "Input should be a valid dictionary or object to extract fields from")]),
    ],
)
def test_arguments_are_validated_before_anything_is_queued(
    http: httpx.Client, server: RedisServer, body: Any, errors: list[tuple[str, str]]
) -> None:
    """The errors have the shape and the words of those of local tasks."""
    before = server.client.zcard("jobs:recent")
    problem = assert_problem(http.post("/producer/api/price", json=body), 422)
    assert [(each["field"], each["message"]) for each in problem["errors"]] == errors
    assert server.client.zcard("jobs:recent") == before


def test_openapi_documents_an_announced_task(http: httpx.Client) -> None:
    """It has the same operations as a local task, its own schemas, and no reference that leads nowhere."""
    openapi = http.get("/producer/openapi.json").json()
    for path in ("", "/{job_id}", "/{job_id}/events"):
        local, announced = openapi["paths"][f"/producer/api/sum{path}"], openapi["paths"][f"/producer/api/price{path}"]
        assert local.keys() == announced.keys()
        for method in local:
            assert local[method]["responses"].keys() == announced[method]["responses"].keys()
    schemas = openapi["components"]["schemas"]
    assert schemas["PriceArguments"]["properties"]["items"]["maxItems"] == 3
    assert schemas["Job_PriceResult_"]["properties"]["result"]["anyOf"][0] == {"type": "string"}
    assert schemas["PackArguments"]["properties"]["item"]["properties"]["name"]["maxLength"] == 20
    named = {part.partition('"')[0] for part in json.dumps(openapi).split('"$ref": "#/components/schemas/')[1:]}
    assert named <= schemas.keys()


def test_the_catalogue_counts_the_consumers_of_each_task(http: httpx.Client) -> None:
    """An announced task is marked; a local one that no consumer serves has none."""
    tasks = catalogue(http)
    assert tasks["price"]["announced"] and not tasks["sum"]["announced"]
    assert (tasks["price"]["consumers"], tasks["sum"]["consumers"]) == (1, 0)
    assert tasks["price"]["summary"] == "Add up the prices of an order"
    assert tasks["price"]["arguments"]["required"] == ["items"]
    assert tasks["price"]["result"] == {"type": "string"}


def test_wrong_methods_and_paths_of_an_announced_task_get_the_usual_errors(http: httpx.Client) -> None:
    """405 names the methods, and a route that no consumer announces is 404."""
    response = http.get("/producer/api/price")
    assert_problem(response, 405)
    assert response.headers["allow"] == "POST"
    assert http.put("/producer/api/price/x").headers["allow"] == "DELETE, GET, HEAD"
    for path in ("prices", "price/x/y", "price/x/events/z", "prices/x"):
        assert_problem(http.get(f"/producer/api/{path}"), 404)
    assert_problem(http.post("/producer/api/price", content="{}", headers={"content-type": "text/plain"}), 415)
    assert_problem(http.post("/producer/api/price", json={"items": [], "x": "y" * 1024 * 1024}), 413)


def test_a_queue_that_only_an_announced_task_has_is_listed(http: httpx.Client) -> None:
    """Its jobs wait where operators look."""
    assert "shop" in {queue["queue"] for queue in http.get("/producer/api/queues").json()}
    (consumer,) = http.get("/producer/api/consumers").json()
    assert consumer["tasks"] == ["pack", "price"]


BROKEN = {
    "not JSON": "{",
    "no object": "[]",
    "another route": {"route": "prices"},
    "a path of the API": {"name": "jobs", "route": "jobs"},
    "a route with a slash": {"name": "a/b", "route": "a/b"},
    "a key of Redis as its queue": {"queue": "consumers"},
    "arguments that are no object": {"arguments": {"type": "string"}},
    "arguments with a remote reference": {"arguments": {"type": "object", "properties": {"x": {"$ref": "http://x/y"}}}},
    "arguments that contain themselves": {
        "arguments": {
            "type": "object",
            "properties": {"x": {"$ref": "#/$defs/X"}},
            "$defs": {"X": {"items": {"$ref": "#/$defs/X"}}},
        }
    },
    "arguments of another type": {"arguments": {"type": "object", "properties": {"x": {"type": "nothing"}}}},
    "a pattern that may take forever": {"arguments": {"type": "object", "properties": {"x": {"pattern": "(?=a)b"}}}},
    "a version that is none": {"version": "newest"},
}


def test_broken_cards_do_not_hide_the_others(http: httpx.Client, server: RedisServer, producer: Producer) -> None:
    """Whatever another program writes, the producer logs the reason once and serves the valid cards."""
    valid = json.loads(card().text())
    texts = [each if isinstance(each, str) else json.dumps(valid | each) for each in BROKEN.values()]
    texts.append(json.dumps(valid | {"name": "late", "route": "late"}))
    store.announce(server.client, texts, 60)
    wait_until(lambda: "late" in catalogue(http), AT_MOST, "the valid card is read")
    log = producer.log.read_text()
    for what, text in zip(BROKEN, texts, strict=False):
        assert log.count(f"the announced card {digest(text.encode())} cannot be used") == 1, what
    assert {"price", "late", "sum"} <= catalogue(http).keys()
    assert http.get("/producer/openapi.json").status_code == 200


def test_without_consumers_a_task_stays_known_until_its_card_expires(http: httpx.Client, server: RedisServer) -> None:
    """Its jobs wait in the queue; then the endpoint is gone, and the job can still be looked up."""
    lonely = card("lonely", queue="lonely")
    announce(server.client, lonely)
    wait_until(lambda: catalogue(http).get("lonely", {}).get("consumers") == 0, AT_MOST, "the task has no consumers")
    job_id = http.post("/producer/api/lonely", json={"item": "tea"}).json()["job_id"]
    assert http.get(f"/producer/api/lonely/{job_id}").json()["status"] == "PENDING"
    waiting = {queue["queue"]: queue["waiting"] for queue in http.get("/producer/api/queues").json()}
    assert waiting["lonely"] == 1
    announce(server.client, lonely, ttl=1)
    wait_until(lambda: http.get(f"/producer/api/lonely/{job_id}").status_code == 404, what="the card has expired")
    assert "lonely" not in catalogue(http)
    wait_until(lambda: "lonely" not in {queue["queue"] for queue in http.get("/producer/api/queues").json()})
    assert http.get(f"/producer/api/jobs/{job_id}").json()["status"] == "PENDING"


def test_of_two_different_cards_the_newer_one_is_used(
    http: httpx.Client, server: RedisServer, producer: Producer
) -> None:
    """The catalogue and the log name the conflict."""
    newer, older = "2030-01-01T00:00:00Z-00000002", "2029-01-01T00:00:00Z-00000001"
    announce(server.client, card("twice", version=newer, summary="new"))
    wait_until(lambda: "twice" in catalogue(http), AT_MOST)
    assert catalogue(http)["twice"]["conflict"] is None
    announce(server.client, card("twice", version=older, summary="old"))
    reason = f"consumers announce different tasks: version {newer} is used, not {older}"
    wait_until(lambda: catalogue(http)["twice"]["conflict"] == reason, AT_MOST, "the conflict is in the catalogue")
    assert catalogue(http)["twice"]["summary"] == "new"
    assert f"/twice: {reason}" in producer.log.read_text()


def test_a_new_version_of_the_same_task_is_no_conflict(
    http: httpx.Client, server: RedisServer, producer: Producer
) -> None:
    """While consumers are updated one by one, both versions are announced."""
    versions = [f"2030-01-0{number}T00:00:00Z-00000001" for number in (1, 2)]
    for version in versions:
        announce(server.client, card("updated", version=version))
    read = f"task updated is announced: queue=shop version={versions[-1]}"
    wait_until(lambda: read in producer.log.read_text(), AT_MOST, "both versions are read")
    assert catalogue(http)["updated"]["conflict"] is None


def test_local_code_takes_precedence_over_a_card(http: httpx.Client, server: RedisServer) -> None:
    """The catalogue names the difference, and the local arguments stay valid."""
    version = "2030-01-01T00:00:00Z-00000001"
    announce(server.client, card("divide", version=version))
    reason = f"the code here differs from what consumers announce (version {version})"
    wait_until(lambda: catalogue(http)["divide"]["conflict"] == reason, AT_MOST, "the conflict is in the catalogue")
    assert not catalogue(http)["divide"]["announced"]
    assert http.post("/producer/api/divide", json={"dividend": 1, "divisor": 2}).status_code == 202


def test_follow_an_announced_task(http: httpx.Client) -> None:
    """The events end with the job and its result."""
    job_id = http.post("/producer/api/price", json={"items": [{"tea": 3}], "currency": "USD"}).json()["job_id"]
    assert '"result":"3 USD"' in http.get(f"/producer/api/price/{job_id}/events").text


def test_a_message_in_the_inbox_may_name_an_announced_task(http: httpx.Client, server: RedisServer) -> None:
    """Arguments by position have the order of the declaration; wrong ones are rejected with the reason."""
    push(server.client, {"task": "price", "args": [[{"tea": 3}], "USD"], "job_id": "from-the-inbox"})
    wait_until(lambda: http.get("/producer/api/price/from-the-inbox").status_code == 200, what="the job is admitted")
    assert finished(http, "price", "from-the-inbox")["result"] == "3 USD"
    push(server.client, {"task": "price", "args": [["tea"]]})
    (message,) = wait_until(lambda: rejected(server.client), what="the message is rejected")
    assert message["reason"] == "kwargs.items.0: Input should be a valid dictionary"


def test_a_schedule_may_have_an_announced_task(http: httpx.Client) -> None:
    """Its arguments are validated when it is created, and it can be run at once."""
    schedule = {"task": "price", "kwargs": {"items": [{"tea": 3}]}, "every": "1h"}
    wrong = schedule | {"kwargs": {"items": "tea"}}
    problem = assert_problem(http.post("/producer/api/schedules", json=wrong), 422)
    assert problem["errors"] == [{"field": "body.kwargs.items", "message": "Input should be a valid list"}]
    created = http.post("/producer/api/schedules", json=schedule)
    assert created.status_code == 201, created.text
    job_id = http.post(f"{created.headers['location']}/run").json()["job_id"]
    assert finished(http, "price", job_id)["result"] == "3 EUR"


def test_queue_limits_hold_for_announced_tasks(http: httpx.Client, server: RedisServer) -> None:
    """A full queue refuses the next job with 429."""
    announce(server.client, card("filled", queue="filled"))
    wait_until(lambda: "filled" in catalogue(http), AT_MOST)
    statuses = [http.post("/producer/api/filled", json={"item": "tea"}).status_code for _ in range(LIMIT + 1)]
    assert statuses == [202] * LIMIT + [429]


def test_a_job_can_be_cancelled_and_requeued_without_consumers(http: httpx.Client, server: RedisServer) -> None:
    """What can be done with a job does not depend on where its code is."""
    announce(server.client, card("kept", queue="kept"))
    wait_until(lambda: "kept" in catalogue(http), AT_MOST)
    location = http.post("/producer/api/kept", json={"item": "tea"}).headers["location"]
    assert http.delete(location).json()["status"] == "REVOKED"
    response = http.post(f"/producer/api/jobs/{location.rpartition('/')[2]}/requeue")
    assert (response.status_code, response.headers["location"]) == (202, location)
    assert http.get(location).json()["status"] == "PENDING"
