"""The story of a job: what happened when and why, and what can be done with it."""

import json
import os
import re
import signal
from contextlib import suppress

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.http import finished, look_up
from tests.support.http import submit as submit_by_http
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.stack(CONSUMERS=2, CONSUMER_SLOTS=1, LEASE=2, SHUTDOWN_TIMEOUT=1)]

LONG_GAP = """async () => {
  const { createScale } = await import("/timeline.js");
  const { x, breaks } = createScale([{ start: 0, end: 10 }, { start: 10, end: 3610 }, { start: 3610, end: 3620 }], 500);
  return { breaks: breaks.map(({ seconds }) => seconds), shares: [10, 3610, 3620].map((time) => Math.round(x(time) - x(0))) };
}"""

LANES = """async (leases) => {
  const { drawTimeline } = await import("/timeline.js");
  const drawing = drawTimeline([{ lane: "running", from: "2026-01-01T00:00:00Z", to: "2026-01-01T00:00:01Z", run: 1 }], 500, leases);
  return Array.from(drawing.querySelectorAll(".lane-name"), ({ textContent }) => textContent);
}"""


def open_story(page: Page, job: str) -> None:
    """Open the story of a job by its address."""
    page.goto(f"{page.url.split('#')[0]}#/jobs/{job}")
    expect(page.locator("#story-status")).to_contain_text(job)


def _retried_after_a_delay(http: httpx.Client) -> str:
    """Run flaky until its random delay, 0 or 1 s, is one that shows, and return that job."""
    for _ in range(30):
        job = submit_by_http(http, "flaky", failures=1)
        finished(http, "flaky", job)
        timeline = http.get(f"/producer/api/jobs/{job}/story").json()["timeline"]
        if "retry_delay" in {step["lane"] for step in timeline}:
            return job
    raise AssertionError("30 random delays were 0 s")


def test_a_killed_consumer_and_the_second_attempt_are_shown(page: Page, stack: NativeStack, http: httpx.Client) -> None:
    """The page shows live that the lease expires and that a consumer runs the job again: the other one or a new one."""
    job = submit_by_http(http, "wait_and_return", seconds=6)
    wait_until(lambda: look_up(http, "wait_and_return", job)["status"] == "STARTED")
    open_story(page, job)
    consumer = look_up(http, "wait_and_return", job)["consumer"].partition("@")[0]
    for pid in stack.pids("worker", f"{consumer}@%h"):
        with suppress(ProcessLookupError):  # the launcher kills the pool of a consumer that has died
            os.kill(pid, signal.SIGKILL)
    runs = page.locator("#story-runs tr")
    expect(runs.nth(0)).to_contain_text("lost its lease")
    expect(runs.last).to_contain_text("succeeded")
    expect(page.locator("#story-steps li.lost_lease")).not_to_have_count(0)
    expect(page.locator(".bar.lost_lease")).not_to_have_count(0)


def test_retries_are_shown_and_each_step_is_explained(page: Page, http: httpx.Client) -> None:
    """Each attempt has the reason for which it ended; a step leads to its explanation."""
    open_story(page, _retried_after_a_delay(http))
    expect(page.locator("#story-runs tr")).to_have_count(2)
    expect(page.locator("#story-runs tr").first).to_contain_text("failed and is retried")
    expect(page.locator("#story-result")).to_contain_text("succeeded")
    page.locator("#story-steps li.retry_delay a").first.click()
    expect(page.locator("article.asked")).to_contain_text("Retry and retry delay")


def test_long_gaps_are_compressed(page: Page) -> None:
    """An hour between two steps of ten seconds is a quarter as long as both, and says that it is an hour."""
    assert page.evaluate(LONG_GAP) == {"breaks": [3600], "shares": [200, 300, 500]}


def test_a_broker_without_leases_is_shown_as_such(page: Page) -> None:
    """An empty lane for lost leases would look as if none had been lost."""
    assert page.evaluate(LANES, arg=True) == ["waiting", "running", "retry delay", "lost lease"]
    assert page.evaluate(LANES, arg=False) == ["waiting", "running", "retry delay", "no leases"]


def test_progress_and_times_tick(page: Page, http: httpx.Client) -> None:
    """While a job runs, its story shows what it reports."""
    open_story(page, submit_by_http(http, "count_primes", limit=1_000_000))
    expect(page.locator("#story-progress")).to_contain_text(re.compile(r"\d+ % .*primes"))
    expect(page.locator("#story-result")).to_have_text("78498")


def test_a_job_can_be_requeued_with_other_arguments(page: Page, http: httpx.Client) -> None:
    """The page opens the story of the new job, which names the old one."""
    job = submit_by_http(http, "divide", dividend=9, divisor=0)
    finished(http, "divide", job)
    open_story(page, job)
    expect(page.locator("#story-result")).to_contain_text("ZeroDivisionError")
    page.get_by_role("button", name="Requeue with other arguments").click()
    page.locator("#edit-divisor").fill("2")
    page.get_by_role("button", name="Requeue as a new job").click()
    expect(page.locator("#story-result")).to_have_text("4.5")
    expect(page.locator("#story-tree")).to_contain_text("edited copy of")
    assert job not in page.url
    page.locator("#story-tree a").click()
    expect(page.locator("#story-tree")).to_contain_text("requeued with other arguments as")


def test_a_job_can_be_cancelled_requeued_and_forgotten(page: Page, http: httpx.Client) -> None:
    """Each action asks first, if it cannot be undone, and shows its answer."""
    job = http.post("/producer/api/sum?countdown=600", json={"number": 4}).json()["job_id"]
    open_story(page, job)
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#story-status")).to_contain_text("REVOKED")
    page.get_by_role("button", name="Requeue", exact=True).click()
    expect(page.locator("#story-status")).to_contain_text("SUCCESS")
    page.get_by_role("button", name="Forget").click()
    page.get_by_role("button", name="Forget the job").click()
    expect(page.locator("#story-problem")).to_contain_text("404")
    assert http.get(f"/producer/api/jobs/{job}").status_code == 404


def test_the_actions_are_those_of_the_job_that_is_shown(page: Page, http: httpx.Client) -> None:
    """Also when the story that was open before had the same buttons."""
    first, second = (submit_by_http(http, "sum", number=4) for _ in range(2))
    for job in (first, second):
        finished(http, "sum", job)
        open_story(page, job)
        expect(page.get_by_role("button", name="Forget")).to_be_visible()
    page.get_by_role("button", name="Forget").click()
    page.get_by_role("button", name="Forget the job").click()
    expect(page.locator("#story-problem")).to_contain_text("404")
    assert [http.get(f"/producer/api/jobs/{job}").status_code for job in (first, second)] == [200, 404]


def test_the_record_is_shown_as_redis_stores_it(page: Page, http: httpx.Client) -> None:
    """With its key and its places."""
    job = submit_by_http(http, "sum", number=4)
    finished(http, "sum", job)
    open_story(page, job)
    page.get_by_text("The record and the message as Redis stores them").click()
    expect(page.locator("#record-places")).to_contain_text(f"job:{job}")
    expect(page.locator("#record-text")).to_contain_text('"status": "SUCCESS"')
    fields = json.loads(str(page.locator("#record-text").text_content()))
    assert fields["result"] == "10"


def test_an_unknown_job_is_reported(page: Page) -> None:
    """The page shows what the producer says."""
    page.goto(f"{page.url.split('#')[0]}#/jobs/nobody")
    expect(page.locator("#story-problem")).to_contain_text("404")
