"""The labs as the stack serves them, in a real Chromium."""

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from docs.tools.labs.lab import labs
from tests.support.page import is_complaint

pytestmark = pytest.mark.heavy


def test_each_lab_that_the_page_links_opens(context: BrowserContext, url: str) -> None:
    """With its title and its images, and the content security policy refuses nothing."""
    complaints: list[str] = []
    context.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
    page = context.new_page()
    page.goto(url)
    links = {link.evaluate("link => link.href") for link in page.locator('main a[href^="labs/"]').all()}
    titles = {_title(page, link) for link in links}
    assert titles >= {lab.title for lab in labs()}
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_lab_has_no_violation_and_fits(page: Page, url: str, scheme: str) -> None:
    """WCAG 2.2 AA; nothing scrolls sideways, however narrow or wide the screen is."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{url}/labs/02-kill-the-consumer.html")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    for width in (320, 760, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_copy_of_a_block_has_only_commands(page: Page, url: str) -> None:
    """Neither the prompt nor the output, so that it runs when it is pasted."""
    page.goto(f"{url}/labs/02-kill-the-consumer.html")
    block = page.locator("pre.console").first
    selected = block.evaluate("block => { getSelection().selectAllChildren(block); return getSelection().toString() }")
    assert selected.splitlines() == ["make up LEASE=6 CONSUMERS=1 HELLO_EVERY=0"]


def test_the_address_without_a_file_is_the_list(http: httpx.Client) -> None:
    """With and without the slash."""
    for path in ("/labs", "/labs/"):
        answer = http.get(path, follow_redirects=True)
        assert (answer.status_code, str(answer.url.path)) == (200, "/labs/")
        assert "<h1>Labs" in answer.text


def _title(page: Page, link: str) -> str:
    page.goto(link)
    for image in page.locator("main img").all():
        expect(image).not_to_have_js_property("naturalWidth", 0)
    expect(page.locator("h1")).to_have_count(1)
    return page.locator("h1").inner_text()
