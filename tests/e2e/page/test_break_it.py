"""Break it: each button says first what should happen; then the page shows it happening."""

import re
from datetime import datetime

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.http import finished, look_up
from tests.support.http import submit as submit_by_http
from tests.support.page import row, submit
from tests.support.wait import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.stack(CONSUMERS=2, CONSUMER_SLOTS=1, LEASE=2)]

CHAOS = "/producer/api/chaos"
BUTTONS = {
    "Kill a consumer": "kill-consumer",
    "Freeze Redis for 5 s": "freeze-redis",
    "Poison job": "poison-job",
    "Slow consumer": "slow-consumer",
    "Flood of 500 jobs": "flood",
}


def break_it(page: Page, name: str) -> None:
    """Press a button and confirm what it says."""
    press(page, name)
    page.get_by_role("dialog").get_by_role("button", name=name).click()
    expect(page.locator("#chaos-exchange .answer")).to_have_text("✓ 202 Accepted")


def press(page: Page, name: str) -> Locator:
    """Press a button and return the dialog that opens."""
    page.locator("#chaos").get_by_role("button", name=name).click()
    return page.get_by_role("dialog")


def follow_first_job(page: Page) -> None:
    """Open the story that the answer of an action links."""
    page.get_by_role("link", name="the story of its first job").click()


def test_each_button_says_first_what_should_happen(page: Page, http: httpx.Client) -> None:
    """The dialog has the words of the API and the line for curl; Cancel breaks nothing."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    for action in http.get(CHAOS).json()["actions"]:
        name = next(name for name, known in BUTTONS.items() if known == action["action"])
        dialog = press(page, name)
        expect(dialog).to_contain_text(f"What should happen: {action['expect']}")
        expect(dialog.locator("code")).to_contain_text(f"curl -X POST {http.base_url}{action['submit']}")
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_be_hidden()
    assert "POST" not in asked


def test_a_poison_job_fails_before_the_eyes_of_the_viewer(page: Page) -> None:
    """Each attempt ends as its process is lost, the job fails, and other jobs go on."""
    break_it(page, "Poison job")
    expect(page.locator("#chaos-note")).to_contain_text("After MAX_ATTEMPTS attempts it fails")
    follow_first_job(page)
    expect(page.locator("#story-title")).to_have_text("crash")
    expect(page.locator("#story-result")).to_contain_text("PoisonJob")
    runs = page.locator("#story-runs tr")
    expect(runs.filter(has_text="✕ its process was lost")).to_have_count(3)
    page.get_by_role("link", name="Pipeline").click()
    expect(submit(page, "sum", number=3).locator(".outcome")).to_have_text("6")


def test_a_slow_consumer_is_named_and_seen_in_the_run_times(page: Page, http: httpx.Client) -> None:
    """A job that takes no time takes a second there."""
    break_it(page, "Slow consumer")

    def slow_job() -> str:
        """Return a job that the consumer has run slowly, else nothing: the other one may have run it."""
        job = finished(http, "wait_and_return", submit_by_http(http, "wait_and_return", seconds=0))
        began, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
        return str(job["job_id"]) if (ended - began).total_seconds() > 0.9 else ""

    job = wait_until(slow_job, 25)
    expect(row(page, job).locator("td.run")).to_have_text(re.compile(r"^\d+\.\d+ s$"))
    consumer = look_up(http, "wait_and_return", job)["consumer"]
    expect(page.locator("#chaos-note")).to_contain_text(f"Slow consumer: {consumer}. ")
    done = http.post("/producer/api/chaos/slow-consumer", json={"consumer": consumer, "seconds": 1, "delay": 0.1})
    assert done.status_code == 202, done.text  # it is quick again for the other tests


def test_a_killed_consumer_disappears_and_its_job_runs_again(page: Page, http: httpx.Client) -> None:
    """The button kills the busy consumer; the story shows the lost lease, and the picture the new consumer."""
    job = submit_by_http(http, "wait_and_return", seconds=5)
    wait_until(lambda: look_up(http, "wait_and_return", job)["status"] == "STARTED")
    victim = look_up(http, "wait_and_return", job)["consumer"]
    break_it(page, "Kill a consumer")
    expect(page.locator("#chaos-note")).to_contain_text(f"Kill a consumer: {victim}. ")
    row(page, job).get_by_role("link").click()
    runs = page.locator("#story-runs tr")
    expect(runs.nth(0)).to_contain_text("✕ lost its lease")
    expect(runs.last).to_contain_text("✓ succeeded")
    page.get_by_role("link", name="Pipeline").click()
    expect(page.locator("#picture .node.consumer")).to_have_count(2)


def test_a_frozen_redis_is_shown_until_it_recovers(page: Page) -> None:
    """The badge says that the numbers are stale, a submit is refused with its reason, and then all goes on."""
    break_it(page, "Freeze Redis for 5 s")
    submit(page, "sum", number=3)
    expect(page.locator("#submit-problem")).to_contain_text("503")
    expect(page.locator("#live")).to_contain_text("stale since")
    expect(page.locator("#live")).to_have_text("● live")
    expect(submit(page, "sum", number=3).locator(".outcome")).to_have_text("6")


def test_a_flood_fills_a_queue_that_empties_again(page: Page) -> None:
    """The queue counts the jobs that wait, the changes are sampled and the picture says so, and all jobs are done."""
    page.evaluate("""() => {
      window.notes = new Set();
      const note = document.getElementById("picture-note");
      new MutationObserver(() => window.notes.add(note.textContent)).observe(note, { childList: true });
    }""")
    break_it(page, "Flood of 500 jobs")
    queue = page.locator("#picture .node.queue", has_text="default")
    expect(queue.locator(".depth")).to_have_text(re.compile(r"^[1-4]\d\d$"))
    page.wait_for_function("() => [...window.notes].some((note) => /1 in [\\d,]+ changes/.test(note))")
    expect(queue.locator(".depth")).to_have_text("0")
    follow_first_job(page)
    expect(page.locator("#story-result")).to_have_text('"flood"')
