"""The form for a job: its fields, its errors, its answer."""

import json
import re
import shlex
import subprocess
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from celery import states
from playwright.sync_api import Page, expect

from tests.support.page import job_id, row, submit
from tests.support.page_scripts import READ_FIELDS, SHOW

pytestmark = pytest.mark.heavy

UNKNOWN = "\u2013"


def test_a_job_passes_through_started(page: Page) -> None:
    """While a consumer works on the job the page says so."""
    followed = submit(page, "wait_and_return", seconds=5, message="it's done")
    expect(followed.locator(".badge")).to_have_text(f"▸ {states.STARTED}")
    expect(followed.locator(".outcome")).to_have_text('"it\'s done"')
    expect(page.locator("#announcer")).to_contain_text("has succeeded")


def test_progress_is_shown(page: Page) -> None:
    """The share and the text that the task reports stand beside the form."""
    followed = submit(page, "count_primes", limit=1_000_000)
    expect(followed).to_contain_text(re.compile(r"\d+ % [\d,]+ primes"))
    expect(followed.locator(".outcome")).to_have_text("78498")


def test_the_answer_is_shown_as_it_came(page: Page, http: httpx.Client) -> None:
    """The status, the body and the line for curl."""
    submit(page, "sum", number=3)
    page.locator(".exchange summary").click()
    answer = json.loads(str(page.locator(".exchange pre").text_content()))
    assert answer["job_id"] == job_id(page)
    assert http.get(f"/producer/api/jobs/{answer['job_id']}").json()["task"] == "sum"


def test_the_curl_line_submits_the_same_job(page: Page) -> None:
    """It can be pasted into a shell, whatever the message contains."""
    submit(page, "wait_and_return", seconds=0, message="it's $HOME")
    command = str(page.locator("#submit-curl code").text_content())
    run = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert '"message":"job published"' in run.stdout
    assert json.loads(shlex.split(command)[-1]) == {"seconds": 0, "message": "it's $HOME"}


def test_the_options_are_sent(page: Page, http: httpx.Client) -> None:
    """Id, delay and priority reach the job; an id is for one job only."""
    page.get_by_text("Options:").click()
    wanted = f"of-my-own-{uuid4()}"
    page.get_by_label("job id").fill(wanted)
    page.get_by_label("delay seconds").fill("3600")
    page.get_by_label("priority").fill("2")
    submit(page, "sum", 10, number=3)
    assert job_id(page) == wanted
    job = http.get(f"/producer/api/jobs/{wanted}").json()
    assert job["due_at"] > job["submitted_at"]
    assert page.get_by_text("of 10 accepted").count() == 0
    assert http.delete(f"/producer/api/sum/{wanted}").is_success


def test_a_hundred_jobs_are_sent_with_one_click(page: Page, http: httpx.Client) -> None:
    """The form counts the accepted ones."""
    wanted: dict[str, str | int] = {"limit": 200, "task": "sum", "submitted_from": datetime.now(UTC).isoformat()}
    submit(page, "sum", 100, number=1)
    expect(page.get_by_text("100 of 100 accepted")).to_be_visible()
    assert len(http.get("/producer/api/jobs", params=wanted).json()["jobs"]) == 100


@pytest.mark.parametrize(
    ("task", "name", "typed", "sent"),
    [
        ("sum", "number", "-1", -1),
        ("sum", "number", "50000001", 50_000_001),
        ("sum", "number", "1.5", 1.5),
        ("sum", "number", "", None),
        ("wait_and_return", "message", "x" * 1001, "x" * 1001),
    ],
)
def test_the_form_uses_the_servers_error_messages(
    page: Page, http: httpx.Client, task: str, name: str, typed: str, sent: object
) -> None:
    """An argument that the producer would refuse is refused by the form with the same message, at its field."""
    answer = http.post(f"/producer/api/{task}", json={} if sent is None else {name: sent})
    submit(page, task, 1, **{name: typed})
    wrong = page.locator(f"#submit-{name}-wrong")
    if answer.is_success:  # the task has no such limit
        expect(page.locator(".answer")).to_have_text("✓ 202 Accepted")
        return
    expect(wrong).to_have_text(answer.json()["errors"][0]["message"])
    expect(page.locator(f"#submit-{name}")).to_have_attribute("aria-invalid", "true")
    expect(page.locator(f"#submit-{name}")).to_be_focused()
    expect(page.locator(".answer")).to_have_count(0)


def test_a_422_is_shown_beside_its_field(page: Page) -> None:
    """What only the producer can know is shown at the field, too."""
    submit(page, "send_email", to='"nobody"')
    expect(page.locator("#submit-to-wrong")).not_to_be_empty()
    expect(page.locator("#submit-problem")).to_have_text(re.compile("^422 "))


def test_a_problem_stays_when_the_catalogue_is_loaded_again(page: Page) -> None:
    """As when a consumer comes or goes; the next submit removes it."""
    submit(page, "send_email", to='"nobody"')
    expect(page.locator("#submit-problem")).to_have_text(re.compile("^422 "))
    page.get_by_role("button", name="Pause").click()
    with page.expect_response("**/producer/api/tasks"):
        page.get_by_role("button", name="Resume").click()
    expect(page.locator("#live")).to_have_text("● live")
    expect(page.locator("#submit-problem")).to_have_text(re.compile("^422 "))
    submit(page, "sum", number=1)
    expect(page.locator("#submit-problem")).to_be_empty()


def test_a_body_that_is_too_large_is_shown_as_413(page: Page) -> None:
    """A problem that NGINX makes is shown like those of the producer."""
    submit(page, "divide", dividend=1)
    expect(page.locator(".answer")).to_have_text("✓ 202 Accepted")  # until then another click does nothing
    page.route("**/producer/api/divide", lambda route: route.continue_(post_data="x" * (1024 * 1024 + 1)))
    submit(page, "divide", dividend=1)
    expect(page.locator("#submit-problem")).to_have_text(re.compile("^413 .*The body may have at most 1 MiB"))


def test_an_empty_field_is_left_out(page: Page) -> None:
    """The task's own default applies."""
    followed = submit(page, "wait_and_return", seconds=0, message="")
    expect(followed.locator(".outcome")).to_have_text('"Hello World!"')


def test_a_frozen_producer_is_noticed(page: Page) -> None:
    """Without an answer the form says so within seconds, and for how long."""
    page.route("**/producer/api/sum", lambda _: None)
    submit(page, "sum", number=10)
    expect(page.get_by_text(re.compile(r"The producer has not answered for \d+ s"))).to_be_visible()


def test_the_page_knows_celerys_states_and_no_others(page: Page, http: httpx.Client) -> None:
    """Its one table of states has what the API may answer, and nothing that Celery does not know."""
    known = page.evaluate("import('/states.js').then((module) => Object.keys(module.STATES))")
    status = http.get("/producer/openapi.json").json()["components"]["schemas"]["Job_int_"]["properties"]["status"]
    assert set(known) == set(status["enum"])
    assert set(known) <= states.ALL_STATES


@pytest.mark.parametrize(
    ("status", "error", "badge", "outcome"),
    [
        (states.PENDING, None, "… PENDING", UNKNOWN),
        (states.RETRY, None, "↻ RETRY", UNKNOWN),
        (states.FAILURE, {"type": "ValueError", "message": "<b>"}, "✕ FAILURE", "ValueError: <b>"),
        (states.REVOKED, None, "⊘ REVOKED", UNKNOWN),
        ("A_STATE_OF_ITS_OWN", None, "? A_STATE_OF_ITS_OWN", UNKNOWN),
    ],
)
def test_a_job_in_any_state_is_shown(
    page: Page, status: str, error: dict[str, str] | None, badge: str, outcome: str
) -> None:
    """A status has a mark and a word besides its colour."""
    assert page.evaluate(SHOW, [status, error]) == [badge, outcome]


def test_a_field_is_made_for_every_type_of_argument(page: Page) -> None:
    """Numbers have their limits, a boolean is a checkbox, and what has no input of its own is written as JSON."""
    assert page.evaluate(READ_FIELDS) == {
        "types": ["checkbox", "number", "text", "textarea"],
        "values": [True, 0.5, "a", [1, 2]],
        "help": ["", "at least 0 · left empty: 1", "who · left empty: none", ""],
    }


def test_every_task_has_a_form(page: Page, http: httpx.Client) -> None:
    """The tasks are grouped by their queue."""
    tasks = {task["task"]: task["queue"] for task in http.get("/producer/api/tasks").json()}
    script = "(all) => Object.fromEntries(all.map((each) => [each.value, each.parentElement.label.slice(6)]))"
    assert page.locator("#task option").evaluate_all(script) == tasks


def test_the_keyboard_is_enough(page: Page) -> None:
    """From the skip link to the result without a mouse."""
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_label("task", exact=True).first.press("Tab")
    expect(page.get_by_label("limit integer")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    expect(page.locator(".followed .outcome")).to_have_text("2")
    expect(page.get_by_label("limit integer")).to_be_focused()


def test_nothing_jumps(page: Page) -> None:
    """Neither the progress of a job nor a complaint moves or stretches what is already there."""
    expect(page.locator("#picture-note")).to_have_text("Each dot is a job.")  # it has more lines while jobs flow
    submit(page, "wait_and_return", seconds=5)
    expect(page.locator(".followed .badge")).to_have_text(f"▸ {states.STARTED}")
    job = row(page, job_id(page))

    def boxes() -> list[Any]:
        """Return the boxes of the row and of the form; jobs of others may come above the row."""
        (row_box, *form) = (
            part.bounding_box() for part in (job, page.locator("#task"), page.locator("#submit .actions"))
        )
        assert row_box
        return [row_box["x"], row_box["width"], row_box["height"], *form]

    before = boxes()
    expect(job.locator(".badge")).to_have_text(f"✓ {states.SUCCESS}")
    page.locator("#submit-seconds").fill("-1")
    page.get_by_role("button", name="Send 1 of wait_and_return", exact=True).click()
    expect(page.locator("#submit-seconds-wrong")).not_to_be_empty()
    assert boxes() == before


def test_every_link_of_the_page_leads_somewhere(page: Page, http: httpx.Client) -> None:
    """The links are relative and their targets are served."""
    links = [str(link.get_attribute("href")) for link in page.locator(".links a").all()]
    assert len(links) == 8
    assert not [link for link in links if link.startswith(("http", "/"))]
    assert {http.get(f"/{link}").status_code for link in links} == {200}


def test_redoc_works_without_the_internet(page: Page, url: str) -> None:
    """All that it misses is the logo of its makers."""
    page.context.route(lambda address: not address.startswith(url), lambda route: route.abort())
    page.goto(f"{url}/producer/redoc")
    expect(page.get_by_text("Look up a sum job").first).to_be_attached()
