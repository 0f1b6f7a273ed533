"""Whatever a client sends, it gets a clear problem and nothing is queued."""

import json
import socket
from http.client import HTTPResponse
from typing import Any

import httpx
import pytest

from tests.support.http import assert_problem

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{}", "body.number"),
        ('{"number": "10"}', "body.number"),
        ('{"number": 10.5}', "body.number"),
        ('{"number": true}', "body.number"),
        ('{"number": null}', "body.number"),
        ('{"number": NaN}', "body.number"),
        ('{"number": -1}', "body.number"),
        ('{"number": 50000001}', "body.number"),
        ('{"number": 1' + "0" * 400 + "}", "body.number"),
        ('{"number": 10, "extra": 1}', "body.extra"),
        ("[]", "body"),
        ("null", "body"),
        ("", "body"),
        ("{", "body.1"),
    ],
)
def test_a_body_that_does_not_fit_is_422_and_names_the_field(http: httpx.Client, body: str, field: str) -> None:
    """Wrong types, NaN, out of range, unknown and missing fields are refused before anything is queued."""
    problem = assert_problem(http.post("/producer/api/sum", content=body, headers=JSON), 422)
    assert field in [error["field"] for error in problem["errors"]]


@pytest.mark.parametrize(
    "arguments",
    [
        {"seconds": 61},
        {"seconds": -0.1},
        {"seconds": "1"},
        {"message": 5},
        {"message": "x" * 1001},
        {"message": None},
        {"minutes": 1},
    ],
)
def test_wait_and_return_refuses_what_does_not_fit(http: httpx.Client, arguments: dict[str, Any]) -> None:
    """Every field has its limits."""
    assert_problem(http.post("/producer/api/wait_and_return", json=arguments), 422)


@pytest.mark.parametrize("body", [b'{"seconds": NaN}', b'{"seconds": Infinity}', b'{"message": "\\ud800"}'])
def test_a_body_that_is_not_json_is_422(http: httpx.Client, body: bytes) -> None:
    """NaN, infinity and lone surrogates are things that Python's JSON lets through."""
    assert_problem(http.post("/producer/api/wait_and_return", content=body, headers=JSON), 422)


@pytest.mark.parametrize("body", [b'{"number": "\xff"}', b'{"number": ' + b"1" * 5000 + b"}", b"[" * 100_000])
def test_a_body_that_cannot_be_parsed_is_4xx(http: httpx.Client, body: bytes) -> None:
    """Broken UTF-8, a number too long to convert and a deep nesting bomb are the client's fault."""
    response = http.post("/producer/api/sum", content=body, headers=JSON)
    assert_problem(response, response.status_code)
    assert response.status_code in {400, 422}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
def test_another_content_type_is_415(http: httpx.Client, content_type: str) -> None:
    """A body needs Content-Type: application/json."""
    response = http.post("/producer/api/sum", content=b'{"number": 1}', headers={"content-type": content_type})
    assert_problem(response, 415)


def test_json_with_a_charset_is_accepted(http: httpx.Client) -> None:
    """Parameters of the content type do not matter."""
    headers = {"content-type": "application/json; charset=utf-8"}
    assert http.post("/producer/api/sum", content=b'{"number": 1}', headers=headers).status_code == 202


def test_an_unknown_task_is_404(http: httpx.Client) -> None:
    """The answer says where to find the tasks."""
    problem = assert_problem(http.post("/producer/api/nope", json={}), 404)
    assert "/producer/api/tasks" in problem["detail"]


def test_another_method_is_405(http: httpx.Client) -> None:
    """A job is submitted by POST; Allow says so."""
    response = http.get("/producer/api/sum")
    assert_problem(response, 405)
    assert response.headers["allow"] == "POST"


def test_a_body_over_1_mib_is_413(http: httpx.Client) -> None:
    """NGINX refuses it before it reaches the producer, in the same shape as all errors."""
    assert_problem(http.post("/producer/api/sum", content=b" " * (1024 * 1024 + 1), headers=JSON), 413)


def test_a_body_over_1_mib_is_413_without_nginx_too(producer_url: str) -> None:
    """The producer has the limit as well, whether the client says how long the body is or sends it in chunks."""
    body = b" " * (1024 * 1024 + 1)
    for content in (body, iter([body])):
        assert_problem(httpx.post(f"{producer_url}/producer/api/sum", content=content, headers=JSON), 413)


@pytest.mark.parametrize("path", ["send_email/", "schedules/", "nothing"])
def test_a_large_body_for_an_unknown_address_is_a_problem_too(http: httpx.Client, producer_url: str, path: str) -> None:
    """An extra slash at the end makes an address unknown, for example."""
    for base in ("", producer_url):
        answer = http.post(f"{base}/producer/api/{path}", content=b" " * (1024 * 1024 + 1), headers=JSON)
        assert_problem(answer, 413)


def test_a_mail_of_the_largest_size_is_accepted_however_it_is_escaped(http: httpx.Client) -> None:
    """Each letter of it is 12 bytes when a client escapes them for ASCII; a schedule can have it too."""
    mail = {"to": ["ann@example.org"] * 50, "subject": "\U0001f600" * 200, "text": "\U0001f600" * 100_000}
    mail["html"] = mail["text"]
    answer = http.post("/producer/api/send_email?countdown=3600", content=json.dumps(mail), headers=JSON)
    assert answer.status_code == 202, answer.text[:300]
    assert http.delete(answer.headers["location"]).status_code == 200
    schedule = json.dumps({"task": "send_email", "kwargs": mail, "every": "1d"})
    answer = http.post("/producer/api/schedules", content=schedule, headers=JSON)
    assert answer.status_code == 201, answer.text[:300]
    assert http.delete(answer.headers["location"]).status_code == 204


def test_a_nul_in_the_path_is_400(http: httpx.Client) -> None:
    """NGINX refuses a NUL in the path."""
    assert_problem(http.get("/producer/api/sum/%00"), 400)


@pytest.mark.parametrize("path", ["/nope", "/producer/nope", "/" + "x" * 9000])
def test_errors_of_nginx_and_of_the_producer_have_one_shape(http: httpx.Client, path: str) -> None:
    """A client needs only one error handler, for NGINX and the producer."""
    response = http.get(path)
    assert response.status_code in {404, 414}
    assert_problem(response, response.status_code)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /producer/api/jobs?text=\xc3\xa9 HTTP/1.1\r\n",
        b"GET /producer/api/sum/\xc3\xa9 HTTP/1.1\r\n",
        b"GET /producer/api/jobs HTTP/1.1\r\nX-A: \x01\r\n",
    ],
)
def test_a_request_that_cannot_be_parsed_is_a_problem_too(
    http: httpx.Client, producer_url: str, request_: bytes
) -> None:
    """Some clients send an address as it was typed; NGINX passes it on."""
    for url in (http.base_url, httpx.URL(producer_url)):
        with socket.create_connection((url.host, url.port), timeout=10) as connection:
            connection.sendall(request_ + f"Host: {url.netloc.decode()}\r\nConnection: close\r\n\r\n".encode())
            answer = HTTPResponse(connection)
            answer.begin()
            response = httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())
        assert "percent-encode" in assert_problem(response, 400)["detail"]
