"""The first page in a real Chromium, through NGINX."""

import json
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

import httpx
import pytest
from celery import states
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from tests.support.browser import open_browser
from tests.support.page_scripts import LOW_CONTRAST, READ_FIELDS, SHOW

TIME, UNKNOWN = re.compile(r"^[\d.]+ m?s$"), "\u2013"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for this module; playwright's event loop must not outlive it."""
    yield from open_browser()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A new browser window of 1280 x 900."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext, url: str) -> Page:
    """The page, once its forms are there."""
    page = context.new_page()
    failures: list[str | None] = []
    page.on("requestfailed", lambda request: failures.append(request.failure))
    page.goto(url)
    # Chromium drops its connections when a network interface comes or goes, as when a container starts nearby
    if "net::ERR_NETWORK_CHANGED" in failures:
        page.reload()
    expect(page.get_by_role("button", name="Submit sum")).to_be_visible()
    return page


def submit(page: Page, task: str, **values: str) -> Locator:
    """Fill in the form of a task, submit it, and return the newest entry of the list of jobs."""
    form = page.get_by_role("form", name=task)
    for name, value in values.items():
        form.get_by_label(name).first.fill(value)
    form.get_by_role("button").click()
    return page.locator("#jobs > li").first


def shown(job: Locator, term: str) -> Locator:
    """Return what the list says about a job under a term."""
    return job.locator("dl > div").filter(has_text=term).locator("dd")


def test_a_sum_shows_its_result(page: Page) -> None:
    """The form submits; the list follows the job to its result, and shows its times and its consumer."""
    job = submit(page, "sum", number="10")
    expect(job.locator(".outcome")).to_have_text("55")
    expect(job.locator(".badge")).to_have_text(states.SUCCESS)
    expect(shown(job, "queue wait")).to_have_text(TIME)
    expect(shown(job, "run time")).to_have_text(TIME)
    expect(shown(job, "consumer")).not_to_have_text(UNKNOWN)
    expect(page.locator("#announcer")).to_contain_text("has succeeded: 55")


def test_a_job_passes_through_started(page: Page) -> None:
    """While a consumer works on the job the page says so, and shows no result."""
    job = submit(page, "wait_and_return", seconds="2", message="it's done")
    expect(job.locator(".badge")).to_have_text(states.STARTED)
    expect(shown(job, "queue wait")).to_have_text(TIME)
    expect(shown(job, "run time")).to_have_text(UNKNOWN)
    expect(job.locator(".outcome")).to_have_text('"it\'s done"')
    expect(shown(job, "run time")).to_have_text(re.compile(r"^2\.\d\d s$"))


def test_the_202_is_shown_with_the_jobs_address(page: Page, http: httpx.Client) -> None:
    """The form says that the job was accepted; the list links to what the API knows about it."""
    job = submit(page, "sum", number="3")
    expect(page.get_by_role("form", name="sum").get_by_role("link", name="202 Accepted")).to_be_visible()
    link = job.locator(".accepted a")
    found = http.get(str(link.get_attribute("href"))).json()
    assert (found["job_id"], found["task"]) == (link.text_content(), "sum")


def test_the_curl_line_submits_the_same_job(page: Page) -> None:
    """It can be pasted into a shell, whatever the message contains."""
    job = submit(page, "wait_and_return", seconds="0", message="it's $HOME")
    command = str(job.locator(".curl code").text_content())
    run = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert '"message":"job published"' in run.stdout
    assert json.loads(shlex.split(command)[-1]) == {"seconds": 0, "message": "it's $HOME"}


def test_the_newest_job_comes_first_and_an_ended_one_is_left_alone(page: Page) -> None:
    """The page follows several jobs at a time, and stops polling a job that has ended."""
    submit(page, "wait_and_return", seconds="2")
    quick = submit(page, "sum", number="4")
    expect(quick.locator(".outcome")).to_have_text("10")
    address = quick.locator(".accepted a").get_attribute("href")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    expect(page.locator("#jobs > li").nth(1).locator(".badge")).to_have_text(states.SUCCESS)
    assert address and address not in asked


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("-1", "Input should be greater than or equal to 0"),
        ("50000001", "Input should be less than or equal to 50000000"),
        ("1.5", "Input should be a valid integer"),
        ("", "Field required"),
    ],
)
def test_a_422_is_shown_beside_its_field(page: Page, number: str, message: str) -> None:
    """What the API says about a field stands at the field, which is marked and focused; nothing is listed."""
    form = page.get_by_role("form", name="sum")
    field = form.get_by_label("number integer")
    submit(page, "sum", number=number)
    expect(form.get_by_role("alert")).to_have_text(re.compile("^422 "))
    expect(form.locator(".wrong")).to_contain_text(message)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(page.locator("#jobs > li")).to_have_count(0)
    submit(page, "sum", number="1")
    expect(form.locator(".wrong")).to_be_empty()
    expect(form.get_by_role("alert")).to_be_empty()


def test_a_body_that_is_too_large_is_shown_as_413(page: Page) -> None:
    """A problem that NGINX makes is shown like those of the producer."""
    submit(page, "wait_and_return", message="x" * (1024 * 1024))
    alert = page.get_by_role("form", name="wait_and_return").get_by_role("alert")
    expect(alert).to_have_text(re.compile("^413 .*The body may have at most 1 MiB"))


def test_an_empty_field_is_left_out(page: Page) -> None:
    """The task's own default applies."""
    job = submit(page, "wait_and_return", seconds="0", message="")
    expect(job.locator(".outcome")).to_have_text('"Hello World!"')


def test_a_503_is_waited_out_as_long_as_it_says(page: Page) -> None:
    """While the stack is in trouble the page says so and asks again after Retry-After, not before."""
    asked: list[float] = []

    def trouble_once(route: Route) -> None:
        asked.append(time.monotonic())
        headers = {"retry-after": "1", "content-type": "application/problem+json"}
        body = '{"title": "Service Unavailable", "status": 503, "detail": "Redis does not answer."}'
        route.fulfill(status=503, headers=headers, body=body) if len(asked) == 1 else route.continue_()

    page.route("**/producer/api/sum/*", trouble_once)
    job = submit(page, "sum", number="10")
    expect(job.locator(".outcome")).to_contain_text("503 Service Unavailable: Redis does not answer.")
    expect(job.locator(".outcome")).to_have_text("55")
    assert asked[1] - asked[0] >= 1


def test_a_stack_that_is_away_is_said_at_the_form(page: Page) -> None:
    """A missing response is shown like any other problem."""
    page.context.set_offline(True)
    submit(page, "sum", number="10")
    expect(page.get_by_role("form", name="sum").get_by_role("alert")).to_contain_text("No response")


def test_the_page_knows_celerys_states_and_no_others(page: Page, http: httpx.Client) -> None:
    """Its one table of states has what the API may answer, and nothing that Celery does not know."""
    known = page.evaluate("import('/states.js').then((module) => Object.keys(module.STATES))")
    status = http.get("/producer/openapi.json").json()["components"]["schemas"]["Job_int_"]["properties"]["status"]
    assert set(known) == set(status["enum"])
    assert set(known) <= states.ALL_STATES


@pytest.mark.parametrize(
    ("status", "error", "outcome"),
    [
        (states.PENDING, None, "It waits in its queue."),
        (states.RETRY, None, "It failed and will be retried."),
        (states.FAILURE, {"type": "ValueError", "message": "not a prime"}, "ValueError: not a prime"),
        (states.REVOKED, None, "It was cancelled."),
    ],
)
def test_a_job_in_any_state_is_shown(page: Page, status: str, error: dict[str, str] | None, outcome: str) -> None:
    """Also in those states that the tasks of today do not reach."""
    job = submit(page, "sum", number="1")
    expect(job.locator(".badge")).to_have_text(states.SUCCESS)
    page.evaluate(SHOW, [status, error])
    expect(job.locator(".badge")).to_have_text(status)
    expect(job.locator(".outcome")).to_have_text(outcome)


def test_a_form_is_made_for_every_type_of_argument(page: Page) -> None:
    """Numbers have their limits, a boolean is a checkbox, and what has no input of its own is written as JSON."""
    assert page.evaluate(READ_FIELDS) == {
        "types": ["checkbox", "number", "text", "text"],
        "values": [True, 0.5, "a", [1, 2]],
        "help": ["", "at least 0 · left empty: 1", "who · left empty: none", ""],
    }


def test_the_forms_of_other_queues_are_folded_away(page: Page) -> None:
    """What one begins with is in sight; a group opens with the keyboard, too."""
    expect(page.get_by_role("form", name="sum")).to_be_visible()
    expect(page.get_by_role("form", name="send_email")).to_be_hidden()
    page.locator("summary", has_text="notifications").press("Enter")
    expect(page.get_by_role("form", name="send_email")).to_be_visible()


def test_the_keyboard_is_enough(page: Page) -> None:
    """From the skip link to the result without a mouse."""
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the forms")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("form", name="count_primes").get_by_label("limit integer")).to_be_focused()
    page.keyboard.type("4")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Submit count_primes")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#jobs > li .outcome")).to_have_text("2")
    expect(page.get_by_role("button", name="Submit count_primes")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_can_be_read(page: Page, width: int, scheme: Literal["light", "dark"]) -> None:
    """No sideways scrolling, and WCAG's contrast for all text, on any screen and in both schemes."""
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    job = submit(page, "wait_and_return", seconds="0", message="x" * 200)
    expect(job.locator(".badge")).to_have_text(states.SUCCESS)
    submit(page, "sum", number="-1")
    expect(page.get_by_role("form", name="sum").get_by_role("alert")).not_to_be_empty()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(LOW_CONTRAST) == []


def test_nothing_jumps(page: Page) -> None:
    """Neither the progress of a job nor a complaint moves or stretches what is already there."""
    job = submit(page, "wait_and_return", seconds="1")
    expect(job.locator(".badge")).to_have_text(states.STARTED)
    parts = (job, job.locator("dl"), *page.get_by_role("form").all())
    before = [part.bounding_box() for part in parts]
    expect(job.locator(".badge")).to_have_text(states.SUCCESS)
    submit(page, "sum", number="-1")
    expect(page.get_by_role("form", name="sum").get_by_role("alert")).not_to_be_empty()
    assert [part.bounding_box() for part in parts] == before


@pytest.mark.parametrize(("path", "element"), [("/", "#jobs .result"), ("/producer/docs", ".opblock")])
def test_a_page_needs_nothing_from_elsewhere(context: BrowserContext, url: str, path: str, element: str) -> None:
    """No request leaves the host, the content security policy refuses nothing, the console has no error."""
    page = context.new_page()
    hosts: set[str] = set()
    complaints: list[str] = []
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url + path)
    if path == "/":
        submit(page, "sum", number="10")
    expect(page.locator(element).first).to_be_visible()
    assert hosts - {""} == {urlsplit(url).netloc}  # a data: URL has no host
    assert complaints == []


def test_redoc_works_without_the_internet(context: BrowserContext, url: str) -> None:
    """All that it misses is the logo of its makers."""
    context.route(lambda address: urlsplit(address).netloc != urlsplit(url).netloc, lambda route: route.abort())
    page = context.new_page()
    page.goto(f"{url}/producer/redoc")
    expect(page.get_by_role("heading", name="Look up a sum job")).to_be_attached()


def test_every_link_of_the_page_leads_somewhere(page: Page, http: httpx.Client) -> None:
    """The links are relative and their targets are served."""
    links = [str(link.get_attribute("href")) for link in page.locator(".links a").all()]
    assert len(links) == 7
    assert not [link for link in links if link.startswith(("http", "/"))]
    assert {http.get(f"/{link}").status_code for link in links} == {200}
