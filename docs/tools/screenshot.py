"""Regenerate docs/images/page.png from a running stack: `python -m docs.tools.screenshot http://127.0.0.1:8080`."""

import sys
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.browser import chromium
from tests.support.page import NO_TOUR, open_page, submit

TARGET = Path("docs/images/page.png")


def take(page: Page) -> None:
    """Put the picture under a small load and take a screenshot of the page as it is then."""
    submit(page, "sum", 10, number=1000)
    expect(page.get_by_text("10 of 10 accepted")).to_be_visible()
    submit(page, "count_primes", 10, limit=1_000_000)
    expect(page.locator(".slot.busy").first).to_be_attached()
    expect(page.locator(".followed")).to_contain_text("%")
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.screenshot(path=TARGET)


def main(url: str) -> None:
    """Write a screenshot of the page at *url* and print its size."""
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with chromium() as browser, browser.new_context(viewport={"width": 1280, "height": 1180}) as context:
        context.add_init_script(NO_TOUR)
        take(open_page(context, url))
    print(f"{TARGET}: {TARGET.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main(sys.argv[1])
