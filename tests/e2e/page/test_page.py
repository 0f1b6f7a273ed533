"""The first page in a real Chromium, through NGINX: the tests that are quick."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import states
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.page import is_complaint, job_id, open_page, row, submit

WEB = Path("project/web")
MOST = 200 * 1024  # bytes of all files together
LONGEST = 300  # lines of a module


def test_a_job_can_be_submitted_and_followed(page: Page) -> None:
    """The form shows the answer and what becomes of the job; the list of everybody's jobs shows it, too."""
    followed = submit(page, "sum", number=10)
    expect(page.locator(".answer")).to_have_text("✓ 202 Accepted")
    expect(followed.locator(".outcome")).to_have_text("55")
    expect(row(page, job_id(page)).locator(".badge")).to_have_text(f"✓ {states.SUCCESS}")
    expect(row(page, job_id(page)).locator(".outcome")).to_have_text("55")


@pytest.mark.parametrize(("path", "element"), [("/", ".followed .outcome"), ("/producer/docs", ".opblock")])
def test_a_page_needs_nothing_from_elsewhere(context: BrowserContext, url: str, path: str, element: str) -> None:
    """No request leaves the host, the content security policy refuses nothing, the console has no error."""
    hosts: set[str] = set()
    complaints: list[str] = []
    context.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    context.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    if path == "/":
        page = open_page(context, url)
        submit(page, "sum", number=10)
    else:
        page = context.new_page()
        page.goto(url + path)
    expect(page.locator(element).first).to_be_visible()
    assert hosts - {""} == {urlsplit(url).netloc}  # a data: URL has no host
    assert complaints == []


def test_the_files_of_the_page_are_small_and_say_what_they_are_for() -> None:
    """All files together have less than 200 KiB, without the labs, which load when a reader opens one."""
    files = [path for path in WEB.iterdir() if path.is_file()]
    assert sum(file.stat().st_size for file in files) < MOST
    for module in WEB.glob("*.js"):
        lines = module.read_text().splitlines()
        assert lines[0].startswith("// ") and lines[0].endswith("."), module
        assert len(lines) <= LONGEST, module
    written = "".join(file.read_text() for file in files)
    assert not [unsafe for unsafe in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(") if unsafe in written]
    assert " style=" not in (WEB / "index.html").read_text()
