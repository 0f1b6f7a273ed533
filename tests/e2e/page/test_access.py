"""The page is for everybody: WCAG 2.2 AA, any width, light and dark; and its data cannot attack it."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.axe import SCHEMES, Scheme, violations
from tests.support.http import finished
from tests.support.http import submit as submit_by_http
from tests.support.page import row, submit
from tests.support.stack import NativeStack

pytestmark = [pytest.mark.heavy, pytest.mark.stack(CONSUMERS=2)]

VIEWS = ["", "jobs", "failures", "schedules", "consumers", "explained"]
HOSTILE = '<img src=x onerror="window.attacked = 1"><script>window.attacked = 1</script>'


@SCHEMES
def test_no_view_has_a_violation(page: Page, http: httpx.Client, scheme: Scheme) -> None:
    """The views of an idle stack that has jobs, failures and a schedule."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    submit_by_http(http, "divide", dividend=1, divisor=0)
    for view in VIEWS:
        page.goto(f"{page.url.split('#')[0]}#/{view}")
        expect(page.locator("main > section:not([hidden]) h1")).to_be_visible()
        assert violations(page) == "", view


@SCHEMES
def test_a_loaded_picture_has_no_violation(page: Page, scheme: Scheme) -> None:
    """Busy slots, full queues, an answer, tables."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    submit(page, "wait_and_return", 10, seconds=2)
    expect(page.locator(".slot.busy").first).to_be_visible()
    page.get_by_text("The picture as tables").click()
    page.locator(".exchange summary").first.click()
    assert violations(page) == ""


@contextmanager
def broken(page: Page, stack: NativeStack) -> Iterator[None]:
    """Freeze the producer for the time of the block, which begins when the page says so."""
    pids = stack.pids("uvicorn")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        expect(page.locator("#banner")).to_be_visible()
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@SCHEMES
def test_a_broken_stack_has_no_violation(page: Page, stack: NativeStack, scheme: Scheme) -> None:
    """The banner, a refused argument."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    submit(page, "sum", number="-1")
    with broken(page, stack):
        assert violations(page) == ""


@SCHEMES
def test_pictures_show_each_state(
    page: Page, stack: NativeStack, http: httpx.Client, tmp_path: Path, scheme: Scheme
) -> None:
    """Idle, the story of a job, load and failure: pictures to look at, small enough for the documentation."""

    def take(name: str) -> None:
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        page.screenshot(path=tmp_path / f"{name}-{scheme}.png")

    page.emulate_media(color_scheme=scheme)
    expect(page.locator("#picture-text")).to_contain_text("0 waiting")
    take("idle")
    home = page.url
    job = submit_by_http(http, "flaky", failures=1)
    finished(http, "flaky", job)
    page.goto(f"{home}#/jobs/{job}")
    expect(page.locator("#story-runs tr")).to_have_count(2)
    take("story")
    page.goto(f"{home}#/")
    submit_by_http(http, "divide", dividend=1, divisor=0)
    submit(page, "wait_and_return", seconds=2)
    http.post("/producer/api/chaos/flood", json={"count": 400})
    expect(page.locator(".edge.moving").first).to_be_attached()
    take("load")
    with broken(page, stack):
        take("failure")
    sizes = [each.stat().st_size for each in tmp_path.iterdir()]
    assert len(sizes) == 4 and min(sizes) > 20_000 and max(sizes) < 200 * 1024, sizes


@pytest.mark.parametrize("width", [320, 760, 1280, 1920])
def test_every_view_fits(page: Page, width: int) -> None:
    """Nothing scrolls sideways, however narrow or wide the screen is."""
    page.set_viewport_size({"width": width, "height": 800})
    followed = submit(page, "wait_and_return", seconds=0, message="x" * 200)
    expect(followed.locator(".outcome")).to_be_visible()
    for view in VIEWS:
        page.goto(f"{page.url.split('#')[0]}#/{view}")
        expect(page.locator("main > section:not([hidden]) h1")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_hostile_data_stays_text(page: Page, http: httpx.Client) -> None:
    """Arguments, results, errors and descriptions are shown as they are, and run nowhere."""
    job = submit_by_http(http, "wait_and_return", seconds=0, message=HOSTILE)
    expect(row(page, job).locator(".outcome")).to_contain_text("<img src=x")
    body = {"task": "sum", "kwargs": {"number": 1}, "every": "1h", "description": HOSTILE}
    made = http.post("/producer/api/schedules", json=body).json()
    page.goto(f"{page.url.split('#')[0]}#/schedules")
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    http.delete(f"/producer/api/schedules/{made['schedule_id']}")
    for view in ("jobs", "failures", f"jobs/{HOSTILE}", "jobs/%", f"jobs?task={HOSTILE}&before=x"):
        page.goto(f"{page.url.split('#')[0]}#/{view}")
        expect(page.locator("main > section:not([hidden]) h1")).to_be_visible()
    assert page.evaluate("window.attacked") is None
    assert page.locator("img").count() == 1


def test_the_tour_submits_a_job_and_never_comes_back_by_itself(page: Page, http: httpx.Client) -> None:
    """At most five steps; on the first visit it opens, on the second it does not."""
    with page.context.browser.new_context() as visitor:  # type: ignore[union-attr]
        first = visitor.new_page()
        first.goto(page.url)
        tour = first.get_by_role("complementary", name="Tour")
        expect(tour).to_be_visible()
        expect(first.locator("#live")).to_have_text("● live")
        for _ in range(2):
            tour.get_by_role("button").first.click()
        expect(first.locator(".followed")).to_be_visible()
        tour.get_by_role("button", name="Show its story").click()
        expect(tour.locator("#tour-count")).to_have_text("Step 4 of 5")
        tour.get_by_role("button", name="Skip the tour").click()
        expect(tour).to_be_hidden()
        first.goto(page.url)
        expect(first.locator("#live")).to_have_text("● live")
        expect(tour).to_be_hidden()
