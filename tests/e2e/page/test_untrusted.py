"""The page shows what it cannot trust as text, and what is secret not at all."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Page, expect
from redis import Redis

from tests.support.axe import SCHEMES, Scheme, violations
from tests.support.cards import announce, card
from tests.support.hostile import HOSTILE, HOSTILE_ID, HOSTILE_TYPE, LONG
from tests.support.http import submit as submit_by_http
from tests.support.page import job_id, row, submit
from tests.support.processes import Worker
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

JOBS = "/producer/api/jobs"
SECRETS = {
    "password": "canary-1",
    "api_token": "canary-2",
    "client_secret": "canary-3",
    "authorization": "canary-4",
    "keys": ["canary-5"],
    "more": {"ApiKey": "canary-6", "colour": "blue"},
}


@pytest.fixture(scope="module")
def consumer(stack: NativeStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a consumer with a hostile name, hostile tasks and hostile queues, beside those of the stack."""
    folder = tmp_path_factory.mktemp("hostile")
    name = "<img src=x onerror=attacked=1>" + "w" * 100
    tasks = {"task_modules": "tests.support.page_tasks", "consumer_queues": f"{LONG},{HOSTILE}"}
    settings: Any = stack.settings | {"run_dir": stack.run_dir} | tasks
    with stack.redis() as redis, stack.client() as http:
        with Worker("", folder, name, slots=1, app="project.consumer", **settings) as worker:
            worker.ready()
            wait_until(lambda: _offers(http, "login"), what="its tasks are in the catalogue")
            yield f"{name}@test"
        redis.delete("cards")
        wait_until(lambda: not _offers(http, "login"), what="the catalogue is as it was")


def _offers(http: httpx.Client, task: str) -> bool:
    return any(each["task"] == task for each in http.get("/producer/api/tasks").json())


@pytest.fixture(scope="module")
def family(consumer: str, stack: NativeStack) -> dict[str, Any]:
    """A job with two children, once all have ended: one has failed with a hostile error, and has a hostile id."""
    with stack.client() as http:
        parent = submit_by_http(http, "parent")
        story = f"{JOBS}/{parent}/story"

        def has_ended() -> Any:
            known = http.get(story).json()
            statuses = {child["status"] for child in known["children"]} | {known["job"]["status"]}
            return known["job"]["ready"] and statuses == {"SUCCESS", "FAILURE"} and known

        return dict(wait_until(has_ended, what="parent and children have ended"))


@pytest.mark.parametrize("width", [320, 1280])
def test_hostile_texts_stay_texts_and_break_no_layout(
    page: Page, family: dict[str, Any], consumer: str, width: int
) -> None:
    """Wherever the page shows names of tasks, queues and consumers, arguments, results, errors and ids."""
    page.set_viewport_size({"width": width, "height": 800})
    home = page.url.split("#")[0]
    child = next(each["job_id"] for each in family["children"] if each["status"] == "FAILURE")
    assert child.startswith(HOSTILE_ID)
    shows = {
        "": [("#recent", HOSTILE), ("#picture", "<img src=x"), ("#theory", LONG)],
        "jobs": [("#jobs-body", HOSTILE), ("#jobs-body", HOSTILE_ID)],
        "failures": [("#failures-body", f"✕ {HOSTILE_TYPE}"), ("#failures-body", f"{HOSTILE}www")],
        "consumers": [("#consumers-body", consumer), ("#consumers-body", f"{HOSTILE}, {LONG}")],
        f"jobs/{quote(child, safe='')}": [
            ("#story-status", HOSTILE_ID),
            ("#story-arguments", json.dumps(HOSTILE)),
            ("#story-result", f"{HOSTILE_TYPE}: {HOSTILE}www"),
            ("#story-traceback", f"{HOSTILE}www"),
            ("#story-runs", consumer),
            ("#story-facts", LONG),
        ],
        f"jobs?queue={quote(HOSTILE)}&text={quote('<script>attacked')}": [
            ("#filters", HOSTILE),
            ("#jobs-body", "whisper"),
        ],
    }
    for view, texts in shows.items():
        page.goto(f"{home}#/{view}")
        for place, text in texts:
            expect(page.locator(place)).to_contain_text(text)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        assert page.evaluate("[window.attacked, document.querySelectorAll('img, script, h1 b').length]") == [None, 2]


def test_hostile_descriptions_and_examples_stay_texts(page: Page, family: dict[str, Any]) -> None:
    """In the form, and in the answer below it."""
    page.get_by_label("task", exact=True).first.select_option("shout")
    expect(page.locator("#task-summary")).to_contain_text(HOSTILE)
    expect(page.locator("#submit-text-help")).to_contain_text(HOSTILE)
    expect(page.locator("#submit-text")).to_have_value(HOSTILE)
    followed = submit(page, "shout", text=HOSTILE)
    expect(followed.locator(".outcome")).to_contain_text(f"{HOSTILE_TYPE}: {HOSTILE}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.evaluate("[window.attacked, document.querySelectorAll('img, script').length]") == [None, 2]


@SCHEMES
def test_the_story_of_a_failed_and_retried_job_has_no_violation(
    page: Page, family: dict[str, Any], scheme: Scheme
) -> None:
    """With its traceback and the record open."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    child = next(each["job_id"] for each in family["children"] if each["status"] == "FAILURE")
    page.goto(f"{page.url.split('#')[0]}#/jobs/{quote(child, safe='')}")
    expect(page.locator("#story-runs tr").first).to_contain_text("failed and is retried")
    page.get_by_text("Traceback", exact=True).click()
    page.get_by_text("The record and the message as Redis stores them").click()
    expect(page.locator("#record-message")).not_to_be_empty()
    assert violations(page) == ""


def test_parent_and_children_are_a_tree(page: Page, family: dict[str, Any]) -> None:
    """Below the parent are its children with their statuses; each leads to its story, which names the parent."""
    parent = family["job"]["job_id"]
    page.goto(f"{page.url.split('#')[0]}#/jobs/{parent}")
    tree = page.locator("#story-tree")
    expect(tree.locator(":scope > li > b")).to_have_text("parent")
    children = tree.locator(":scope > li > ul > li")
    expect(children).to_have_count(2)
    succeeded = children.filter(has_text="SUCCESS")
    expect(succeeded.get_by_role("link")).to_contain_text("whisper")
    expect(children.filter(has_text="FAILURE").get_by_role("link")).to_contain_text("shout")
    succeeded.get_by_role("link").click()
    expect(page.locator("#story-title")).to_have_text("whisper")
    expect(tree.locator(":scope > li > a")).to_contain_text("parent")
    expect(tree.locator(":scope > li > ul > li > b")).to_have_text("whisper")
    tree.locator(":scope > li > a").click()
    expect(children).to_have_count(2)


def test_secret_arguments_are_shown_nowhere(page: Page, http: httpx.Client, consumer: str) -> None:
    """Neither in lists nor in the story, nor where it shows what lies in Redis, nor in the form that edits them."""
    job = http.post("/producer/api/login", json={"user": "ann"} | SECRETS).json()["job_id"]
    home = page.url.split("#")[0]
    seen = []
    for view, place in {"": "#recent", "jobs": "#jobs-body", "failures": "#failures-body"}.items():
        page.goto(f"{home}#/{view}")
        expect(page.locator(place)).to_contain_text("ann may not log in")
        seen.append(page.content())
    page.goto(f"{home}#/jobs/{job}")
    expect(page.locator("#story-result")).to_have_text("PermissionError: ann may not log in")
    page.get_by_text("The record and the message as Redis stores them").click()
    expect(page.locator("#record-message")).to_contain_text("••••")
    hidden = dict.fromkeys(SECRETS, "••••") | {"more": {"ApiKey": "••••", "colour": "blue"}, "user": "ann"}
    assert json.loads(page.locator("#story-arguments").inner_text()) == hidden
    page.get_by_role("button", name="Requeue with other arguments").click()
    expect(page.locator("#edit-password")).to_have_value("••••")
    seen += [
        page.content(),
        *page.locator("#edit").locator("input, textarea").evaluate_all("all => all.map(e => e.value)"),
    ]
    assert not [text for text in seen if "canary" in text]
    page.goto(f"{home}#/jobs?text=canary")
    expect(page.locator("#jobs-note")).to_contain_text("No job matches.")


def test_a_task_without_a_living_consumer_says_that_its_jobs_wait(page: Page, http: httpx.Client, redis: Redis) -> None:
    """Until a consumer with this task is up; the page shows that without a reload."""
    announce(redis, card("lonely"))
    wait_until(lambda: _offers(http, "lonely"), what="the task is in the catalogue")
    page.reload()  # no consumer has come: nothing tells the page of a card
    page.get_by_label("task", exact=True).first.select_option("lonely")
    expect(page.locator("#task-summary")).to_contain_text("No consumer runs it now: its jobs wait.")
    submit(page, "lonely", item="tea")
    expect(row(page, job_id(page)).locator(".badge")).to_have_text("… PENDING")
    http.delete(f"{JOBS}/{job_id(page)}")
    late = {"name": "late@test", "host": "elsewhere", "pid": 1, "pool": "solo", "slots": 1, "broker": "leased"}
    redis.set("consumer:late@test", json.dumps(late | {"queues": ["shop"], "tasks": ["lonely"]}), ex=60)
    redis.sadd("consumers", "late@test")
    expect(page.locator("#task-summary")).not_to_contain_text("No consumer")
    redis.delete("consumer:late@test")
    expect(page.locator("#task-summary")).to_contain_text("No consumer")
    announce(redis, card("lonely"), ttl=1)  # the other cards are renewed by their living consumer
    wait_until(lambda: not _offers(http, "lonely"), what="the catalogue is as it was")
