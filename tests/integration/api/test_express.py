"""Plain submits and look-ups are answered without FastAPI, and as FastAPI answers them."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from project.api.express import ExpressMiddleware
from project.celery_config.app import create_celery_app
from project.jobs.service import Jobs
from project.settings import Settings
from tests.support.inbox import LIMIT
from tests.support.processes import RedisServer
from tests.support.producer import Producer, StartProducer, without_rights

SUM = "/producer/api/sum"
BY_FASTAPI = {"prefer": "none", "content-type": "application/json; charset=utf-8"}
PLAIN = {"content-type": "application/json"}
PASSED_ON = [
    ("POST", SUM, b"{", {}),
    ("POST", SUM, b"", {}),
    ("POST", SUM, b'{"number": -1}', {}),
    ("POST", SUM, b'{"number": 1, "more": 1}', {}),
    ("POST", SUM, b"[" * 60_000, {}),
    ("POST", SUM, b" " * 70_000 + b'{"number": 1}', {}),
    ("POST", SUM, iter([b'{"number": 1}']), {}),
    ("POST", SUM, b'{"number": 1}', {"content-type": "text/plain"}),
    ("POST", SUM, b'{"number": 1}', {"idempotency-key": "key"}),
    ("POST", SUM, b'{"number": 1}', {"sec-fetch-site": "cross-site"}),
    ("POST", SUM, b'{"number": 1}', {"host": "evil.example"}),
    ("POST", f"{SUM}?job_id=mine", b'{"number": 1}', {}),
    ("POST", f"{SUM}/", b'{"number": 1}', {}),
    ("GET", SUM, None, {}),
    ("HEAD", f"{SUM}/some", None, {}),
    ("POST", f"{SUM}?wait=1", b'{"number": 1}', {}),
    ("GET", f"{SUM}/some?wait=31", None, {}),
    ("GET", f"{SUM}/some?wait=0.5", None, {}),
    ("GET", f"{SUM}/some?wait=", None, {}),
    ("GET", f"{SUM}/some?wait=1&traceback=1", None, {}),
    ("GET", f"{SUM}/some", None, {"prefer": "wait=1"}),
    ("GET", f"{SUM}/some", b"body", {}),
    ("GET", f"{SUM}/a%2Fb", None, {}),
    ("GET", f"{SUM}/%2E%2E", None, {}),
    ("GET", f"{SUM}/some", None, {"host": "evil.example"}),
    ("GET", "/producer/api/jobs/some", None, {}),
]


class Inner:
    """What is behind the middleware: answer 299, and keep the bodies of the requests."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Read the whole body."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def ask(server: RedisServer, *requests: tuple[str, str, Any, dict[str, str]]) -> tuple[list[int], Inner]:
    """Send requests to the middleware alone; return the statuses, and what is behind it."""
    settings, inner = Settings(_env_file=None, redis_port=server.port), Inner()

    async def answers() -> list[int]:
        jobs = Jobs(create_celery_app(settings), settings)
        transport = httpx.ASGITransport(ExpressMiddleware(inner, jobs, settings.hosts))
        async with jobs.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return [
                (await http.request(method, url, content=_sent(body), headers=PLAIN | headers)).status_code
                for method, url, body, headers in requests
            ]

    return asyncio.run(answers()), inner


def _sent(body: Any) -> Any:
    async def in_chunks() -> Any:
        for chunk in body:
            yield chunk

    return body if body is None or isinstance(body, bytes) else in_chunks()


@pytest.fixture
def http(producer: Producer) -> Iterator[httpx.Client]:
    """A client of a producer with a limit of five jobs per queue."""
    with producer.client() as client:
        yield client


def both(http: httpx.Client, method: str, url: str, **options: Any) -> list[tuple[Any, ...]]:
    """Return what is the same in the answers of both ways: status, headers and body."""
    answers = [http.request(method, url, headers=headers, **options) for headers in (PLAIN, BY_FASTAPI)]
    return [(answer.status_code, _comparable(answer.headers), _comparable(answer.text or "{}")) for answer in answers]


def _comparable(values: Any) -> Any:
    """Leave out what is different in each answer; keep the order."""
    items = values.multi_items() if isinstance(values, httpx.Headers) else json.loads(values).items()
    return [item for item in items if item[0] not in ("date", "job_id", "location")]


def test_plain_requests_are_answered_without_fastapi(server: RedisServer) -> None:
    """With NGINX's headers too; an unknown job is a 404."""
    proxied = {"x-request-id": "0" * 32, "x-forwarded-for": "10.0.0.1", "origin": "http://127.0.0.1"}
    known = f"{SUM}/00000000-0000-0000-0000-000000000000"
    statuses, inner = ask(
        server,
        ("POST", SUM, b'{"number": 1}', proxied),
        ("POST", SUM, b'{"number": 1.0}', {}),
        ("GET", known, None, {}),
        ("GET", f"{known}?wait=1", None, {}),
        ("GET", f"{SUM}/unknown?wait=1", None, {}),
    )
    assert (statuses, inner.bodies) == ([202, 202, 200, 200, 404], [])


@pytest.mark.parametrize(("method", "url", "body", "headers"), PASSED_ON)
def test_all_others_are_passed_on_with_their_whole_body(
    server: RedisServer, method: str, url: str, body: Any, headers: dict[str, str]
) -> None:
    """FastAPI explains what is wrong with them, or does what they ask for."""
    chunks = [body or b""] if body is None or isinstance(body, bytes) else list(body)
    statuses, inner = ask(server, (method, url, body if isinstance(body, bytes | None) else iter(chunks), headers))
    assert (statuses, inner.bodies) == ([299], [b"".join(chunks)])


def test_both_ways_accept_alike(http: httpx.Client, redis: Any) -> None:
    """The same status, headers in the same order, and body."""
    express, by_fastapi = both(http, "POST", SUM, content=b'{"number": 10}')
    assert express == by_fastapi
    assert express[0] == 202


def test_both_ways_refuse_alike(http: httpx.Client, redis: Any) -> None:
    """A queue that is full is a 429 with the time of its next room."""
    for number in range(LIMIT):
        http.post(SUM, json={"number": number}).raise_for_status()
    express, by_fastapi = both(http, "POST", SUM, content=b'{"number": 10}')
    assert express == by_fastapi
    assert express[0] == 429


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ({"status": "PENDING", "due_at": "1700000000.5"}, 200),
        ({"status": "SUCCESS", "result": '{"a": [NaN, 1e400, "\\ud800 \\u00e9"]}', "consumer": "c"}, 200),
        ({"status": "FAILURE", "error": '{"type": "E", "message": "m"}', "traceback": "T"}, 200),
        ({"status": "FAILURE", "error": "{"}, 200),
        ({"status": "STARTED", "started_at": "1700000001", "progress": '{"fraction": 0.5, "text": "half"}'}, 200),
        ({"task": "hello"}, 404),
        ({"submitted_at": "never"}, 200),
    ],
)
def test_both_ways_return_a_job_alike(http: httpx.Client, redis: Any, record: dict[str, str], status: int) -> None:
    """In each state, damaged, and of another task; also to a client that waits."""
    whole = {"task": "sum", "status": "PENDING", "queue": "cpu", "submitted_at": "1700000000.123", "message": "m"}
    redis.hset("job:some", mapping=whole | record)
    express, by_fastapi = both(http, "GET", f"{SUM}/some")
    assert express == by_fastapi
    assert express[0] == status
    waited, waited_by_fastapi = (both(http, "GET", f"{SUM}/some?wait={seconds}")[0] for seconds in ("1", "1.0"))
    assert waited == waited_by_fastapi
    assert waited[0] == status


def test_both_ways_answer_alike_while_redis_is_away(start: StartProducer, tmp_path: Any) -> None:
    """A 503 that says when to come back."""
    with RedisServer(tmp_path) as server:
        producer = start(server.port)
    with producer.client() as http:
        for method, url in (("POST", SUM), ("GET", f"{SUM}/some")):
            express, by_fastapi = both(http, method, url, content=b'{"number": 10}' if method == "POST" else None)
            assert express == by_fastapi
            assert express[0] == 503


def test_both_ways_answer_alike_to_a_bug(http: httpx.Client, redis: Any) -> None:
    """Without details; uvicorn closes the connection afterwards."""
    with without_rights(redis):
        answers = [
            http.get(f"{SUM}/broken", headers=headers | {"connection": "close"}) for headers in ({}, {"prefer": "none"})
        ]
    assert [(each.status_code, each.text) for each in answers] == [(500, answers[0].text)] * 2
    assert [_comparable(each.headers) for each in answers] == [_comparable(answers[0].headers)] * 2
