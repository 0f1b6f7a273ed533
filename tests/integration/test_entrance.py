"""NGINX with nobody behind it, or with a producer that breaks off: clients get problems all the same."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.http import assert_problem
from tests.support.nginx import Nginx
from tests.support.ports import free_port


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
    """Yield a client of an NGINX whose producer is at an address."""
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
    """A producer that breaks off."""
    producer = BreaksOff()
    yield producer
    producer.stop()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/producer/api/tasks", "/producer/health/ready"])
def test_a_producer_that_is_not_there_is_a_problem(http: httpx.Client, method: str, path: str) -> None:
    """As the other services that are not there, and it says when to come back."""
    answer = http.request(method, path)
    assert_problem(answer, 502)
    assert answer.headers["retry-after"] == "2"


def test_a_request_that_is_broken_off_is_sent_twice_and_then_a_problem(producer: BreaksOff, tmp_path: Path) -> None:
    """The second one may go to another producer; there is no third, or NGINX would go round in circles."""
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


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/style.css", "GET, HEAD"),
        ("TRACE", "/producer/api/sum", "GET, HEAD, POST"),
    ],
)
def test_a_405_of_nginx_says_what_it_serves_there(http: httpx.Client, method: str, path: str, allowed: str) -> None:
    """Files are read only; of a service's addresses NGINX refuses no method but TRACE."""
    answer = http.request(method, path)
    assert_problem(answer, 405)
    assert answer.headers["allow"] == allowed
