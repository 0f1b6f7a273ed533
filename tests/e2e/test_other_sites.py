"""Pages of other sites, in a browser on this machine, cannot use the stack."""

import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_browser
from tests.support.http import assert_problem
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

PORTS = {"nginx": "HTTP_PORT", "producer": "PRODUCER_PORT", "flower": "FLOWER_PORT", "locust": "LOCUST_PORT"}
#: Per service: what can be read, and a request that changes something.
READ = {"nginx": "/", "producer": "/producer/api/tasks", "flower": "/dashboard/", "locust": "/load-test/"}
CHANGE = {"nginx": "/producer/api/sum", "producer": "/producer/api/sum", "locust": "/load-test/stop"}
CHANGE |= {"flower": "/dashboard/api/task/async-apply/sum"}
FOREIGN = [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}]
FOREIGN += [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "Cross-Site"}]
FOREIGN += [{"Sec-Fetch-Site": "unheard-of"}, {"Origin": "http://localhost"}, {"Origin": "http://ann@localhost:1"}]
FRAMED_PAGES = ["/producer/docs", "/producer/redoc", "/dashboard/", "/load-test/"]


@pytest.fixture(params=PORTS)
def service(request: pytest.FixtureRequest) -> str:
    """The name of a service that a browser on this machine can reach."""
    return str(request.param)


@pytest.fixture
def direct(stack: NativeStack, service: str) -> Iterator[httpx.Client]:
    """A client of that service's own port."""
    with httpx.Client(base_url=f"http://127.0.0.1:{stack.settings[PORTS[service]]}", timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for this module."""
    yield from open_browser()


@pytest.fixture
def foreign_page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A page of another site: this host, but another port."""
    (tmp_path / "index.html").write_text("<!doctype html><title>another site</title>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        yield page
        server.shutdown()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:80"])
def test_a_request_for_another_host_is_421(direct: httpx.Client, service: str, host: str) -> None:
    """A site can let its own name point to this machine, and would then be the same origin (DNS rebinding)."""
    for response in (
        direct.get(READ[service], headers={"Host": host}),
        direct.post(CHANGE[service], headers={"Host": host}),
    ):
        assert_problem(response, 421)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8080", "LOCALHOST", "[::1]", "[::1]:8080", "localhost."])
def test_this_machines_own_names_are_served(direct: httpx.Client, service: str, host: str) -> None:
    """With any port, as another program may forward it."""
    assert direct.get(READ[service], headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_page_of_another_origin_cannot_change_anything(
    direct: httpx.Client, service: str, headers: dict[str, str]
) -> None:
    """With a body, and without one, for which a browser asks no permission before."""
    assert_problem(direct.post(CHANGE[service], headers=headers), 403)
    assert_problem(direct.post(CHANGE[service], headers=headers, json={"number": 1}), 403)


def test_a_page_of_the_stack_itself_can_submit(direct: httpx.Client, service: str) -> None:
    """Its Origin is the address that it asks."""
    origin = str(direct.base_url).rstrip("/")
    for headers in ({"Origin": origin, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {}):
        assert direct.post(CHANGE[service], headers=headers, json={"number": 1}).status_code not in (403, 421)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("name", "values"),
    [("Origin", ("http://127.0.0.1", "http://evil.example")), ("Sec-Fetch-Site", ("none", "cross-site"))],
)
def test_two_headers_of_one_name_are_refused(
    direct: httpx.Client, service: str, name: str, values: tuple[str, str], order: int
) -> None:
    """Whichever comes first: no service reads only one of them."""
    headers = [("Host", "127.0.0.1"), *((name, value) for value in values[::order])]
    assert_problem(direct.post(CHANGE[service], headers=headers), 403)


@pytest.mark.parametrize(
    ("host", "origin", "own"),
    [
        ("localhost:80", "http://localhost", True),
        ("localhost", "http://localhost:80", True),
        ("localhost:443", "HTTPS://LocalHost", True),
        ("localhost:443", "http://localhost", False),
        ("localhost:80", "https://localhost", False),
        ("localhost", "extension://localhost", False),
        ("localhost", "localhost", False),
        ("localhost", "http://localhost.", False),
    ],
)
def test_an_origin_may_leave_out_the_default_port_of_its_scheme(
    direct: httpx.Client, service: str, host: str, origin: str, own: bool
) -> None:
    """A browser does (RFC 6454, section 6.2), and a proxy before the stack may write the port into Host."""
    answer = direct.post(CHANGE[service], headers={"Host": host, "Origin": origin})
    assert (answer.status_code != 403) == own


def test_no_other_site_can_show_a_service_in_a_frame(direct: httpx.Client, service: str) -> None:
    """A click there would be one of the service's own page (clickjacking), also on the ports behind NGINX."""
    policies = direct.get(READ[service]).headers.get_list("content-security-policy")
    assert any("frame-ancestors 'self'" in policy for policy in policies)


def test_pages_of_other_sites_may_not_read_the_load_test(stack: NativeStack, http: httpx.Client) -> None:
    """Locust itself would allow every origin."""
    direct = f"http://127.0.0.1:{stack.settings['LOCUST_PORT']}/load-test/stats/requests"
    for url in ("/load-test/stats/requests", direct):
        headers = http.get(url, headers={"Origin": "http://evil.example"}).headers
        assert [name for name in headers if name.startswith("access-control-")] == []


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("swarm", {"user_count": "1", "spawn_rate": "1", "host": "http://evil.example"}),
        ("swarm", {"user_count": "201", "spawn_rate": "1"}),
        ("user", {"user_class_name": "Waiter", "host": "http://evil.example"}),
    ],
)
def test_the_load_test_has_one_target_and_a_limit(http: httpx.Client, path: str, form: dict[str, str]) -> None:
    """Locust's page would take any target and any number of users; it shows the message."""
    answer = http.post(f"/load-test/{path}", data=form).json()
    assert not answer["success"] and answer["message"]
    assert http.get("/load-test/stats/requests").json()["state"] in ("ready", "stopped")


@pytest.mark.heavy
def test_a_foreign_page_in_a_browser_gets_403_at_every_step(foreign_page: Page, stack: NativeStack, url: str) -> None:
    """It submits a job, points the load test elsewhere and starts it, and cannot read the result."""
    statuses: list[int] = []
    foreign_page.on("response", lambda response: statuses.append(response.status))
    producer = f"http://127.0.0.1:{stack.settings['PRODUCER_PORT']}"
    locust = f"http://127.0.0.1:{stack.settings['LOCUST_PORT']}"
    steps = [
        f"{base}{path}"
        for base in (url, producer)
        for path in ("/producer/api/count_primes", "/producer/api/read_mail")
    ]
    steps += [f"{base}/load-test/{path}" for base in (url, locust) for path in ("swarm", "stop", "user")]
    send = "([url]) => fetch(url, {method: 'POST', mode: 'no-cors', body: url.endsWith('swarm') ? new URLSearchParams({user_count: 1, spawn_rate: 1, host: location.origin}) : undefined})"
    for step in steps:
        foreign_page.evaluate(f"async args => {{ await ({send})(args) }}", [step])
    wait_until(lambda: foreign_page.evaluate("1") and len(statuses) == len(steps), 10, "every step is answered")
    assert set(statuses) == {403}
    for address in (
        f"{url}/load-test/stats/requests",
        f"{locust}/load-test/stats/requests",
        f"{producer}/producer/api/jobs",
    ):
        read = "async ([url]) => { try { return await (await fetch(url)).text() } catch (error) { return error.name } }"
        assert foreign_page.evaluate(read, [address]) == "TypeError"


@pytest.mark.heavy
@pytest.mark.parametrize("path", FRAMED_PAGES)
def test_the_pages_of_the_services_work_under_their_security_policy(browser: Browser, url: str, path: str) -> None:
    """They load nothing from elsewhere and break no rule of their policy."""
    page = browser.new_page()
    refused: list[str] = []
    page.on(
        "console", lambda message: refused.append(message.text) if "Content Security Policy" in message.text else None
    )
    response = page.goto(url + path, wait_until="networkidle")
    assert response
    assert "default-src 'self'" in response.headers["content-security-policy"]
    expect(page.locator("body")).to_have_text(re.compile(r"\S"), use_inner_text=True, timeout=30_000)
    # ReDoc wants a logo from its makers' site, and works without it
    assert [text for text in refused if "cdn.redoc.ly" not in text] == []


def test_answers_about_jobs_are_not_stored(http: httpx.Client) -> None:
    """Neither by the browser nor by a proxy."""
    accepted = http.post("/producer/api/sum", json={"number": 1})
    assert accepted.headers["cache-control"] == "no-store"
    assert http.get(accepted.headers["location"]).headers["cache-control"] == "no-store"
    assert http.get("/producer/api/sum/unknown").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/producer/api/jobs", 200),
        ("/producer/api/jobs/unknown", 404),
        ("/producer/api/jobs?limit=0", 422),
        ("/producer/api/schedules", 200),
        ("/producer/api/schedules/unknown", 404),
        ("/producer/api/records", 200),
        ("/producer/api/queues", 200),
        ("/producer/api/consumers", 200),
        ("/producer/api/remind_me", 405),
        ("/producer/api/events", 200),
        ("/dashboard/tasks", 200),
        ("/dashboard/api/tasks", 401),
        ("/dashboard/task/unknown", 404),
        ("/mail/", 200),
        ("/nothing", 404),
    ],
)
def test_no_answer_that_may_show_jobs_is_stored(http: httpx.Client, path: str, status: int) -> None:
    """Lists, streams, problems and Flower's pages."""
    with http.stream("GET", path) as answer:
        assert (answer.status_code, answer.headers.get_list("cache-control")) == (status, ["no-store"])


def test_events_of_one_job_and_a_reminder_are_not_stored(http: httpx.Client) -> None:
    """A stream that begins, and an answer to a POST."""
    job = http.post("/producer/api/sum", json={"number": 1}).headers["location"]
    with http.stream("GET", f"{job}/events") as answer:
        assert answer.headers.get_list("cache-control") == ["no-store"]
    refused = http.post("/producer/api/remind_me", json={})
    assert (refused.status_code, refused.headers["cache-control"]) == (422, "no-store")
