"""The page is live: it shows what happens as it happens, says when it does not, and recovers."""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.http import submit as submit_by_http
from tests.support.page import job_id, open_page, row, submit
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.stack(CONSUMERS=2, CONSUMER_SLOTS=2)]

SUM = "/producer/api/sum"
EVENTS = "**/producer/api/overview/events"
LATEST = 5000  # milliseconds
LIVE = "● live"
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Freeze processes for the time of the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):  # the block may have killed it
                os.kill(pid, signal.SIGCONT)


def test_a_job_that_curl_submits_appears_by_itself(page: Page, http: httpx.Client) -> None:
    """Nobody reloads the page: the stream says that something has changed, within a second unless the machine is busy."""
    took = []
    for _ in range(5):
        start = time.monotonic()
        expect(row(page, submit_by_http(http, "sum", number=1))).to_be_visible(timeout=LATEST)
        took.append(time.monotonic() - start)
    assert min(took) < 1


def test_without_the_stream_nothing_is_live(context: BrowserContext, url: str, http: httpx.Client) -> None:
    """There is no polling behind it: the test above fails when the stream is blocked, and the page says that it is."""
    context.route(EVENTS, lambda route: route.abort())
    page = open_page(context, url)
    expect(page.locator("#banner")).to_have_text("The producer does not answer; retrying in 3 s")
    job = submit_by_http(http, "sum", number=1)
    with page.expect_request(EVENTS):  # the next attempt, three seconds later
        pass
    expect(row(page, job)).to_have_count(0)
    context.unroute(EVENTS)
    expect(page.locator("#live")).to_have_text(LIVE)
    expect(row(page, job)).to_be_visible()


def test_a_job_of_the_scheduler_appears_by_itself(page: Page, http: httpx.Client) -> None:
    """Every open page shows a job, whichever program submits it."""
    made = http.post("/producer/api/schedules", json={"task": "sum", "kwargs": {"number": 1}, "every": "1s"}).json()
    path = f"/producer/api/schedules/{made['schedule_id']}"
    try:
        wait_until(lambda: http.get(path).json()["jobs"], 30, "the schedule has fired")
        expect(row(page, http.get(path).json()["jobs"][0]["job_id"])).to_be_visible(timeout=LATEST)
    finally:
        http.delete(path)


def test_pause_means_no_request(page: Page, http: httpx.Client) -> None:
    """Paused, the page sends nothing, and says since when its numbers stand still."""
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#live")).to_have_text(re.compile(r"paused since \d\d:\d\d:\d\d"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    job = submit_by_http(http, "sum", number=1)
    wait_until(lambda: http.get(f"/producer/api/jobs/{job}").json()["ready"], 30, "the job has ended")
    page.wait_for_function("(start) => performance.now() - start > 2500", arg=page.evaluate("performance.now()"))
    assert asked == []
    page.get_by_role("button", name="Resume").click()
    expect(row(page, job)).to_be_visible()


def test_a_hidden_tab_closes_its_stream(page: Page, http: httpx.Client) -> None:
    """After five seconds; when the viewer comes back, it is live again."""
    page.evaluate(HIDE, True)
    expect(page.locator("#live")).to_contain_text("paused (hidden)")
    wait_until(lambda: http.get("/producer/api/overview").json()["pages"] == 0, 30, "the stream is closed")
    page.evaluate(HIDE, False)
    expect(page.locator("#live")).to_have_text(LIVE)


def test_there_are_never_two_requests_for_the_same_data(page: Page) -> None:
    """However many changes there are, the next request waits for the answer of the one before."""
    under_way: list[str] = []
    most = 0

    def began(url: str) -> None:
        nonlocal most
        if "/jobs?" in url:
            under_way.append(url)
            most = max(most, len(under_way))

    page.on("request", lambda request: began(request.url))
    for end in ("requestfinished", "requestfailed"):
        page.on(end, lambda request: under_way.remove(request.url) if request.url in under_way else None)
    with page.expect_request(lambda request: "/jobs?" in request.url):
        submit(page, "sum", 100, number=1)
    expect(page.get_by_text("100 of 100 accepted")).to_be_visible()
    assert most == 1


def test_the_page_survives_a_restart_of_the_producer(page: Page, stack: NativeStack, http: httpx.Client) -> None:
    """It counts down to its next attempt, and recovers without a reload."""
    page.evaluate("window.marked = true")
    with stopped(pids := stack.pids("uvicorn")):
        expect(page.locator("#banner")).to_have_text(re.compile(r"The producer does not answer; retrying in \d s"))
        expect(page.locator("#live")).to_contain_text("stale since")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    expect(page.locator("#live")).to_have_text(LIVE)
    expect(page.locator("#banner")).to_be_hidden()
    expect(row(page, submit_by_http(http, "sum", number=1))).to_be_visible()
    assert page.evaluate("window.marked")


def test_what_was_typed_survives_a_new_stream(page: Page) -> None:
    """A new stream begins with a new catalogue; if it is the same, the form stays as it is."""
    page.get_by_label("task", exact=True).first.select_option("flaky")
    page.locator("#submit-failures").fill("7")
    page.get_by_role("button", name="Pause").click()
    with page.expect_response("**/producer/api/tasks"):
        page.get_by_role("button", name="Resume").click()
    expect(page.locator("#live")).to_have_text(LIVE)
    expect(page.locator("#submit-failures")).to_have_value("7")


def test_a_frozen_redis_makes_the_numbers_stale(page: Page, stack: NativeStack) -> None:
    """The page says since when, keeps the last numbers, and becomes live again by itself."""
    wait_until(stack.redis_pids)
    with stopped(stack.redis_pids()):
        expect(page.locator("#live")).to_have_text(re.compile(r"▲ stale since \d\d:\d\d:\d\d"))
        expect(page.locator("#banner")).to_contain_text("the last known ones")
        expect(page.locator("#picture .queue")).not_to_have_count(0)
    expect(page.locator("#live")).to_have_text(LIVE)


def test_a_thousand_jobs_flow_and_then_travel_as_dots_again(page: Page) -> None:
    """Above 30 jobs per second the picture shows flows, with the share of the changes that it got."""
    submit(page, "sum", 1000, number=1)
    expect(page.locator("#picture")).to_have_attribute("data-mode", "flows")
    expect(page.locator("#picture .edge.moving")).not_to_have_count(0)
    expect(page.get_by_text("1,000 of 1,000 accepted")).to_be_visible()
    expect(page.locator("#picture")).to_have_attribute("data-mode", "dots")
    submit(page, "wait_and_return", seconds=1)
    expect(page.locator(".dot")).not_to_have_count(0)
    assert page.locator("tr").count() <= 200


def test_the_arrows_of_an_idle_consumer_rest(context: BrowserContext, tmp_path: Path) -> None:
    """While jobs flow through one queue, the arrow from the consumer of another queue to the results does not move."""
    with NativeStack(tmp_path / "run", NOTIFICATION_CONSUMERS=1) as stack:
        page = open_page(context, stack.url)
        expect(page.locator("#picture .node.consumer")).to_have_count(2)
        submit(page, "sum", 1000, number=1)
        arrows = page.locator("#picture .edge[data-stage=results]")
        idle, busy = (arrows.and_(page.locator(f"[data-key*='{name}']")) for name in ("notifications", ":consumer.1"))
        expect(busy).to_have_class("edge moving")
        assert idle.get_attribute("class") == "edge"


def test_the_picture_shows_which_slot_runs_which_job(page: Page, http: httpx.Client) -> None:
    """A busy slot names its task and counts the seconds; the tables say the same; a click opens the story."""
    expect(page.locator("#picture-text")).to_contain_text("0 of 4 slots busy")
    submit(page, "wait_and_return", seconds=25)
    job = job_id(page)
    slot = page.locator("#picture .task", has_text="wait_and_return")
    expect(slot).to_be_visible()
    expect(page.locator("#picture .task.end").first).to_have_text(re.compile(r"(?:[2-9]|\d\d)\.\d s"))
    page.get_by_text("The picture as tables").click()
    expect(page.locator("#twin-slots a")).to_have_text("wait_and_return")
    expect(page.locator("#twin-queues tr")).not_to_have_count(0)
    page.locator("#picture .slot.busy").click()
    expect(page).to_have_url(re.compile(f"#/jobs/{job}"))
    http.delete(f"/producer/api/jobs/{job}")


def test_dots_can_be_stopped(page: Page) -> None:
    """Stopped dots keep their places."""
    expect(page.locator("#picture .node.producer")).to_have_count(1)  # the one that a test before has killed is gone
    page.locator("input[name=speed]").nth(1).check()
    submit(page, "wait_and_return", seconds=2)
    expect(page.locator(".dot").first).to_be_visible()
    page.get_by_role("radio", name="stopped").check()
    place = page.locator(".dot").first.get_attribute("transform")
    page.wait_for_function("(start) => performance.now() - start > 500", arg=page.evaluate("performance.now()"))
    assert page.locator(".dot").first.get_attribute("transform") == place


def test_reduced_motion_leaves_the_numbers(page: Page) -> None:
    """No dot and no flow moves; the page says why."""
    page.emulate_media(reduced_motion="reduce")
    submit(page, "sum", 10, number=1)
    expect(page.locator("#picture")).to_have_attribute("data-mode", "numbers")
    expect(page.locator("#picture-note")).to_contain_text("reduced motion")
    expect(page.locator(".dot")).to_have_count(0)


def test_screen_readers_get_at_most_one_message_in_five_seconds(page: Page) -> None:
    """However much happens."""
    page.evaluate("""() => {
      window.said = [];
      new MutationObserver(() => window.said.push(performance.now())).observe(
        document.getElementById("announcer"), { childList: true, characterData: true, subtree: true });
    }""")
    for _ in range(4):
        submit(page, "sum", number=1)
        expect(page.locator(".followed .outcome")).to_have_text("1")
    page.wait_for_function("() => window.said.length > 1")
    said = page.evaluate("window.said")
    assert all(later - earlier > 4900 for earlier, later in pairwise(said))


def test_charts_and_theory_are_fed_by_the_stream(page: Page) -> None:
    """Each chart has its line; the theory has its sentence."""
    submit(page, "sum", 100, number=1)
    expect(page.locator("#charts .plot")).to_have_count(4)
    expect(page.locator("#charts path.line0").nth(1)).to_have_attribute("d", re.compile(r"M[\d.]+ [\d.]+L"))
    expect(page.locator("#theory .sentence").first).not_to_be_empty()
    expect(page.locator("#theory")).to_contain_text(re.compile(r"= \d+ %"))
