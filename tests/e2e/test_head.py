"""HEAD is answered wherever GET is: the same status and headers, no body, and nothing is done or kept waiting."""

import socket
from typing import Any

import httpx
import pytest

from tests.support.http import assert_problem, finished, submit
from tests.support.stack import NativeStack

VARYING = {"date", "etag", "x-request-id", "content-length", "transfer-encoding", "connection", "set-cookie"}


def _headers(response: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in response.headers.items() if name not in VARYING}


def _assert_like_get(http: httpx.Client, path: str) -> None:
    head, get = http.head(path), http.get(path)
    assert (head.status_code, _headers(head), head.content) == (get.status_code, _headers(get), b""), path


def test_every_get_of_the_producer_can_be_a_head(http: httpx.Client) -> None:
    """All that OpenAPI lists, with ids that are not known, and what it does not list."""
    paths = [path for path, methods in http.get("/producer/openapi.json").json()["paths"].items() if "get" in methods]
    assert len(paths) > 20
    for path in paths:
        if not path.endswith("/events"):
            _assert_like_get(http, path.format(job_id="no-such-job", schedule_id="no-such-schedule"))
    for path in ("/producer/docs", "/producer/redoc", "/producer/openapi.json", "/producer", "/producer/metrics"):
        _assert_like_get(http, path)


@pytest.mark.parametrize(
    "path",
    ["/", "/style.css", "/dashboard/", "/dashboard/workers", "/dashboard/tasks", "/dashboard/broker", "/load-test/",
     "/dashboard/healthcheck", "/dashboard/static/css/flower.css", "/dashboard", "/mail/", "/no-such-page"],
)  # fmt: skip
def test_every_page_can_be_asked_for_its_head(http: httpx.Client, path: str) -> None:
    """Of NGINX, of Flower and of Locust."""
    _assert_like_get(http, path)


def test_a_head_of_a_job_says_how_long_its_body_is(http: httpx.Client) -> None:
    """The length is the one of GET."""
    job_id = submit(http, "sum", number=10)
    finished(http, "sum", job_id)
    path = f"/producer/api/sum/{job_id}"
    _assert_like_get(http, path)
    assert http.head(path).headers["content-length"] == http.get(path).headers["content-length"]


@pytest.mark.parametrize("path", ["/producer/api/events", "/producer/api/sum/{job_id}/events"])
def test_a_head_of_a_stream_ends_at_once(http: httpx.Client, stack: NativeStack, path: str) -> None:
    """Directly at the producer, on a connection that goes on: what follows is the answer to the next request."""
    path = path.format(job_id=submit(http, "wait_and_return", seconds=1)).replace("/sum/", "/wait_and_return/")
    request = f"HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /producer/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(stack.settings["PRODUCER_PORT"])), timeout=5) as connection:
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    assert b"text/event-stream" in head
    assert rest.startswith(b"HTTP/1.1 200"), rest
    assert rest.endswith(b'{"status":"ok"}')


def test_head_is_refused_where_only_post_is_allowed(http: httpx.Client) -> None:
    """Nothing is submitted; where GET is allowed, Allow names HEAD as well."""
    response = http.head("/producer/api/sum")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert_problem(http.put("/producer/api/tasks"), 405)
    assert http.put("/producer/api/tasks").headers["allow"] == "GET, HEAD"
    shutdown = "/dashboard/api/worker/shutdown/x"
    assert http.head(shutdown).status_code == http.get(shutdown).status_code == 401


def test_a_head_is_counted_as_what_it_is(http: httpx.Client, producer_url: str) -> None:
    """The metrics name its method and its route."""
    http.head("/producer/api/queues")
    metrics = httpx.get(f"{producer_url}/producer/metrics").text
    assert 'count{method="HEAD",route="/producer/api/queues",status="200"}' in metrics
