"""Without a producer behind NGINX, or with one that drops connections, clients still get problems."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.support.http import assert_problem
from tests.support.nginx import Nginx
from tests.support.ports import free_port
from tests.support.wait import wait_until


class BreaksOff:
    """A producer that reads requests and closes the connection without an answer."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.requests.append(connection.recv(65536))


@contextmanager
def entrance(folder: Path, producer: str) -> Iterator[httpx.Client]:
    """Yield a client of an NGINX with a producer at the given address."""
    nginx = Nginx(folder, PRODUCER_ADDRESS=producer)
    try:
        with nginx.client() as client:
            yield client
    finally:
        nginx.stop()


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of an NGINX with no producer behind it."""
    with entrance(tmp_path_factory.mktemp("alone"), f"127.0.0.1:{free_port()}") as client:
        yield client


@pytest.fixture
def producer() -> Iterator[BreaksOff]:
    """A producer that drops every connection."""
    producer = BreaksOff()
    yield producer
    producer.stop()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/producer/api/tasks", "/producer/health/ready"])
def test_a_producer_that_is_not_there_is_a_problem(http: httpx.Client, method: str, path: str) -> None:
    """It is a 502 with Retry-After, as for any other missing service."""
    answer = http.request(method, path)
    assert_problem(answer, 502)
    assert answer.headers["retry-after"] == "2"


def test_a_dropped_request_is_sent_twice_and_then_answered_with_a_problem(producer: BreaksOff, tmp_path: Path) -> None:
    """The second request may go to another producer; there is no third, which could repeat endlessly."""
    with entrance(tmp_path, producer.address) as http:
        assert_problem(http.post("/producer/api/sum", json={"number": 1}), 502)
    first, second = producer.requests
    assert first == second
    assert first.startswith(b"POST /producer/api/sum ") and first.endswith(b'{"number":1}')


def test_a_body_over_1_mib_is_413_however_it_comes(http: httpx.Client) -> None:
    """Announced by its length, or in chunks: in both cases the answer goes another way inside NGINX."""
    body = b" " * (1024 * 1024 + 1)
    for content in (body, iter([body])):
        assert_problem(http.post("/producer/api/sum", content=content), 413)


@pytest.mark.parametrize("path", ["send_email", "schedules", "schedules?x=1"])
def test_a_mail_of_the_largest_size_passes_however_it_is_escaped(http: httpx.Client, path: str) -> None:
    """Also in a schedule; what is larger is refused, and the answer says how large it may be."""
    for size, status in ((2_600_000, 502), (3 * 2**20 + 1, 413)):  # 502: this NGINX has no producer
        problem = assert_problem(http.post(f"/producer/api/{path}", content=b" " * size), status)
    assert problem["detail"] == "The body may have at most 3 MiB."


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/style.css", "GET, HEAD"),
        ("TRACE", "/producer/api/sum", "GET, HEAD, POST"),
    ],
)
def test_a_405_of_nginx_says_what_it_serves_there(http: httpx.Client, method: str, path: str, allowed: str) -> None:
    """Files are read only; at the addresses of services NGINX refuses TRACE."""
    answer = http.request(method, path)
    assert_problem(answer, 405)
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("method", ["BREW", "PROPFIND"])
def test_a_method_that_no_service_has_is_501(http: httpx.Client, method: str) -> None:
    """The producer's parser would answer in plain text."""
    request = http.build_request("GET", "/producer/api/tasks")
    request.method = method
    assert_problem(http.send(request), 501)


def _begin_large_body(http: httpx.Client) -> socket.socket:
    """Send the beginning of a request with a body of 1 MiB."""
    url = http.base_url
    connection = socket.create_connection((url.host, url.port or 80), timeout=10)
    head = f"POST /producer/api/sum HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: 1048576\r\n\r\n"
    connection.sendall(head.encode() + bytes(100_000))
    return connection


def test_many_large_bodies_at_once_are_429_and_small_ones_pass(http: httpx.Client) -> None:
    """NGINX keeps a body until all of it is there; in containers that takes memory."""
    large = bytes(20_000)
    connections = [_begin_large_body(http) for _ in range(40)]

    def refused() -> bool:
        for connection in connections:  # otherwise NGINX times out the bodies that it waits for
            with suppress(ConnectionError):
                connection.sendall(b" ")
        # another one, in case NGINX has refused one of them because it still discarded a body of the test before
        connections.append(_begin_large_body(http))
        return http.post("/producer/api/sum", content=large).status_code == 429

    try:
        wait_until(refused, what="NGINX has read them all")
        response = assert_problem(http.post("/producer/api/sum", content=large), 429)
        assert "large bodies" in response["detail"]
        assert http.post("/producer/api/sum", content=b"{}").status_code == 502  # this NGINX has no producer
    finally:
        for connection in connections:
            connection.close()
    wait_until(lambda: http.post("/producer/api/sum", content=large).status_code == 502, what="there is room again")


@pytest.mark.parametrize(
    ("request_line", "status"),
    [("GET / HTTP/1.0", 421), ("GET / HTTP/3.0", 505), ("GET / HTTP/1.1\r\nHost: evil.example", 421),
     ("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip", 501)],
)  # fmt: skip
def test_requests_that_nginx_cannot_serve_are_problems(http: httpx.Client, request_line: str, status: int) -> None:
    """No Host, an unknown version or encoding: as a browser would never send it."""
    with socket.create_connection((http.base_url.host, http.base_url.port or 80), timeout=10) as connection:
        connection.sendall(f"{request_line}\r\nConnection: close\r\n\r\n".encode())
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert int(head.split()[1]) == json.loads(body)["status"] == status
    assert b"application/problem+json" in head


@pytest.mark.heavy
def test_thousands_of_half_sent_requests_block_no_other_client(http: httpx.Client) -> None:
    """Each keeps a connection for ten seconds at most."""
    address = (http.base_url.host, http.base_url.port or 80)
    half = [socket.create_connection(address, timeout=10) for _ in range(8300)]
    try:
        for connection in half:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: local")
        assert http.get("/").status_code == 200
        half[0].settimeout(30)
        assert b"408" in half[0].recv(1024) or half[0].recv(1024) == b""
    finally:
        for connection in half:
            connection.close()
