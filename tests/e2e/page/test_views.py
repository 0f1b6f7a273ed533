"""The views of jobs, failures, schedules and consumers."""

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.http import finished
from tests.support.http import submit as submit_by_http
from tests.support.page import row
from tests.support.wait import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.stack(CONSUMERS=1)]

BODY = "#jobs-body"


def visit(page: Page, view: str) -> None:
    """Open a view by its address."""
    page.goto(f"{page.url.split('#')[0]}#/{view}")
    expect(page.locator("main > section:not([hidden]) h1")).to_be_visible()


def fail(http: httpx.Client, dividend: float) -> str:
    """Submit a job that fails and wait until it has."""
    job = submit_by_http(http, "divide", dividend=dividend, divisor=0)
    finished(http, "divide", job)
    return job


def _has_run_again(http: httpx.Client, job: str) -> None:
    wait_until(lambda: finished(http, "divide", job)["attempts"] >= 2, 30, "it has run again")


def test_filters_are_kept_in_the_url(page: Page, http: httpx.Client) -> None:
    """Whoever gets the address sees the same jobs."""
    failed = fail(http, 41)
    other = submit_by_http(http, "sum", number=1)
    visit(page, "jobs")
    expect(row(page, other, BODY)).to_be_visible()
    page.get_by_label("status").select_option("FAILURE")
    expect(page).to_have_url(re.compile("status=FAILURE"))
    expect(row(page, other, BODY)).to_have_count(0)
    page.get_by_label("text in the arguments").fill('"dividend":41')
    page.get_by_label("text in the arguments").press("Tab")
    page.reload()
    expect(page.get_by_label("status")).to_have_value("FAILURE")
    expect(page.locator("#jobs-curl")).to_contain_text("status=FAILURE")
    visit(page, "jobs?task=divide&queue=default&submitted_from=2020-01-01T00:00")
    expect(row(page, failed, BODY)).to_be_visible()
    visit(page, "jobs?submitted_to=2020-01-01T00:00")
    expect(page.locator("#jobs-note")).to_contain_text("No job matches.")
    page.get_by_role("button", name="Clear").click()
    expect(row(page, other, BODY)).to_be_visible()


def test_a_filter_that_the_producer_refuses_is_explained(page: Page) -> None:
    """A damaged address does not break the view."""
    visit(page, "jobs?status=NONE")
    expect(page.locator("#jobs-note")).to_contain_text("422")


def test_many_jobs_are_paged_with_few_rows(page: Page, http: httpx.Client) -> None:
    """Pages of fifty; a page of older jobs does not move while new ones come."""
    for _ in range(60):
        submit_by_http(http, "sum", number=1)
    visit(page, "jobs")
    expect(page.locator(f"{BODY} tr")).to_have_count(50)
    first = page.locator(f"{BODY} tr").first.get_attribute("data-key")
    page.get_by_role("link", name="Older jobs").click()
    expect(page).to_have_url(re.compile("before="))
    expect(row(page, str(first), BODY)).to_have_count(0)
    older = page.locator(f"{BODY} tr").first.get_attribute("data-key")
    newest = submit_by_http(http, "sum", number=2)
    finished(http, "sum", newest)
    expect(page.locator(f"{BODY} tr").first).to_have_attribute("data-key", str(older))
    page.get_by_role("link", name="Newest jobs").click()
    expect(row(page, newest, BODY)).to_be_visible()


def test_selected_jobs_are_requeued(page: Page, http: httpx.Client) -> None:
    """The confirmation names their number."""
    jobs = [fail(http, 51), fail(http, 52)]
    visit(page, "jobs?status=FAILURE")
    for job in jobs:
        row(page, job, BODY).get_by_role("checkbox").check()
    page.get_by_role("button", name="Requeue 2 selected jobs").click()
    expect(page.get_by_role("dialog")).to_contain_text("Requeue 2 selected jobs?")
    page.get_by_role("dialog").get_by_role("button", name="Requeue").click()
    for job in jobs:
        _has_run_again(http, job)


def test_all_that_match_are_requeued(page: Page, http: httpx.Client) -> None:
    """The number in the confirmation is that of the jobs that match, and only they run again."""
    jobs = [fail(http, 61), fail(http, 61)]
    spared = fail(http, 62)
    visit(page, "jobs?task=divide&text=61")
    page.get_by_role("button", name="Requeue all that match").click()
    expect(page.get_by_role("dialog")).to_contain_text("Requeue 2 failed jobs?")
    page.get_by_role("dialog").get_by_role("button", name="Requeue 2 failed jobs").click()
    for job in jobs:
        _has_run_again(http, job)
    assert finished(http, "divide", spared)["attempts"] == 1


def test_failures_are_grouped(page: Page, http: httpx.Client) -> None:
    """By task and error; a group leads to its jobs."""
    fail(http, 71)
    visit(page, "failures")
    group = page.locator('#failures-body tr[data-key="divide ZeroDivisionError"]')
    expect(group).to_contain_text(re.compile(r"\d+ jobs?"))
    count = str(group.locator("td.jobs").text_content())
    fail(http, 72)
    expect(group.locator("td.jobs")).not_to_have_text(count)
    group.locator("td.jobs a").click()
    expect(page).to_have_url(re.compile("error_type=ZeroDivisionError"))
    expect(page.locator(f"{BODY} tr")).not_to_have_count(0)


def test_a_schedule_is_previewed_created_paused_run_and_deleted(page: Page) -> None:
    """All that the API can do with a schedule."""
    visit(page, "schedules")
    form = page.locator("#schedule-form")
    expect(form.get_by_label("task")).to_have_value("sum")
    form.get_by_label("when").fill("nonsense")
    form.get_by_role("button", name="Preview").click()
    expect(page.locator("#schedule-problem")).not_to_be_empty()
    form.get_by_label("when").fill("2h")
    form.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview-times li")).to_have_count(5)
    expect(page.locator("#preview-times")).to_contain_text("every 2h")
    form.get_by_label("description").fill("each second hour")
    form.get_by_role("button", name="Create").click()
    card = page.locator(".schedule", has_text="each second hour")
    expect(card).to_contain_text("active")
    card.get_by_role("button", name="Pause").click()
    expect(card).to_contain_text("paused")
    card.get_by_role("button", name="Run now").click()
    expect(page.locator("#schedules-exchange .answer")).to_contain_text("202 Accepted")
    card.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(card).to_have_count(0)


def test_consumers_are_listed_with_what_they_do(page: Page, http: httpx.Client) -> None:
    """Queues, pool, slots, current jobs, uptime and jobs done."""
    submit_by_http(http, "wait_and_return", seconds=5)
    visit(page, "consumers")
    consumer = page.locator("#consumers-body tr", has_text="consumer.1@")
    expect(consumer).to_contain_text("default")
    expect(consumer).to_contain_text("forked, 2 slots")
    expect(consumer.get_by_role("link", name="wait_and_return")).to_be_visible()
    expect(consumer.locator('td[data-label="up for"]')).to_have_text(re.compile(r"\d"))
    expect(consumer.locator('td[data-label="jobs done"]')).to_have_text(re.compile(r"^\d+$"))
