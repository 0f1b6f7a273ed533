"""Regenerate the pictures of the page in docs/images/ from a running stack.

`python -m docs.tools.screenshot http://127.0.0.1:8080`
"""

import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium
from tests.support.page import NO_TOUR, job_id, open_page, submit

FOLDER = Path("docs/images")


def take(page: Page, name: str) -> None:
    """Write what the window shows, without focus and pointer."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.screenshot(path=FOLDER / name)
    print(f"{FOLDER / name}: {(FOLDER / name).stat().st_size // 1024} KB")


def put_under_load(page: Page) -> None:
    """Submit jobs until slots are busy and jobs wait."""
    submit(page, "sum", 10, number=1000)
    expect(page.get_by_text("10 of 10 accepted")).to_be_visible()
    submit(page, "count_primes", 10, limit=1_000_000)
    expect(page.locator(".slot.busy").first).to_be_attached()
    expect(page.locator(".followed")).to_contain_text("%")


def tell_a_story(page: Page) -> None:
    """Open the story of a job that is retried once."""
    submit(page, "flaky", failures=1)
    job = job_id(page)
    expect(page.locator(".followed .outcome")).to_be_visible()
    page.goto(f"{page.url.split('#')[0]}#/jobs/{job}")
    expect(page.locator("#story-runs tr")).to_have_count(2)


def open_window(browser: Browser, url: str, scheme: Literal["light", "dark"], height: int) -> Page:
    """Return a page in a window of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": height}, color_scheme=scheme)
    context.add_init_script(NO_TOUR)
    return open_page(context, url)


def main(url: str) -> None:
    """Write the pictures of the page at *url*: the pipeline, light and dark, and the story of a job."""
    with chromium() as browser:
        light = open_window(browser, url, "light", 1040)
        put_under_load(light)
        take(light, "page.png")
        expect(light.locator("#picture-text")).to_contain_text("; 0 of", timeout=60_000)  # no slot is busy
        dark = open_window(browser, url, "dark", 760)
        submit(dark, "sum", 1000, number=1000)
        expect(dark.locator("#picture .edge.moving").first).to_be_attached()
        take(dark, "load.png")
        story = open_window(browser, url, "light", 860)
        tell_a_story(story)
        take(story, "story.png")


if __name__ == "__main__":
    main(sys.argv[1])
