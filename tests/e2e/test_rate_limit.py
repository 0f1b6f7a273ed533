"""RATE_LIMIT: NGINX answers 429 to a client that sends too much, and only to that client."""

import time
from collections import Counter
from functools import partial

import httpx
import pytest

from tests.support.http import assert_problem
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

TASKS, BURST = "/producer/api/tasks", 5
EXEMPT = "127.0.0.3"
pytestmark = pytest.mark.stack(RATE_LIMIT=1, RATE_BURST=BURST, RATE_LIMIT_EXEMPT=f"{EXEMPT}/32")


def _client(stack: NativeStack, address: str) -> httpx.Client:
    """Return a client that comes from an address of its own."""
    return httpx.Client(base_url=stack.url, timeout=30, transport=httpx.HTTPTransport(local_address=address))


def _ask(http: httpx.Client, path: str, times: int) -> list[httpx.Response]:
    return [http.get(path) for _ in range(times)]


def _is_past(moment: float) -> bool:
    return time.monotonic() > moment


def test_a_client_over_the_rate_limit_gets_429_with_retry_after(stack: NativeStack) -> None:
    """A burst is served, what goes beyond is a 429, and after Retry-After there is room."""
    with _client(stack, "127.0.0.1") as http:
        answers = _ask(http, TASKS, 4 * BURST)
        assert {answer.status_code for answer in answers[: BURST + 1]} == {200}
        assert {answer.status_code for answer in answers[-BURST:]} <= {200, 429}
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        for answer in refused:
            assert_problem(answer, 429)
        wait_until(partial(_is_past, time.monotonic() + int(refused[-1].headers["retry-after"])))
        assert http.get(TASKS).status_code == 200


def test_another_client_is_not_affected_and_the_load_test_is_exempt(stack: NativeStack) -> None:
    """Each address has its own limit, and the exempt address has none."""
    with _client(stack, "127.0.0.1") as http, _client(stack, "127.0.0.2") as other, _client(stack, EXEMPT) as exempt:
        assert 429 in {answer.status_code for answer in _ask(http, TASKS, 4 * BURST)}
        assert other.get(TASKS).status_code == 200
        assert Counter(answer.status_code for answer in _ask(exempt, TASKS, 10 * BURST)) == {200: 10 * BURST}


def test_only_the_api_is_limited(stack: NativeStack) -> None:
    """The page and the health checks answer however often they are asked."""
    with _client(stack, "127.0.0.1") as http:
        for path in ("/", "/producer/health/ready", "/producer/openapi.json"):
            assert {answer.status_code for answer in _ask(http, path, 4 * BURST)} == {200}


def test_an_address_below_the_api_is_still_the_producers(stack: NativeStack) -> None:
    """No redirect of NGINX's own stands before it."""
    with _client(stack, EXEMPT) as http:
        assert_problem(http.get("/producer/api"), 404)
        assert_problem(http.get("/producer/api/nothing"), 404)
