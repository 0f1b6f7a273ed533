"""Regenerate docs/images/page.png from a running stack: `python -m docs.tools.screenshot http://127.0.0.1:8080`."""

import sys
from pathlib import Path

from playwright.sync_api import Page

from tests.support.browser import chromium

TARGET = Path("docs/images/page.png")


def take(page: Page) -> None:
    """Run a job to its end, start another one, and take a screenshot of the whole page."""
    first = page.locator("#jobs > li").first
    page.get_by_role("button", name="Submit sum").click()
    first.get_by_text("SUCCESS").wait_for()
    page.get_by_label("seconds").fill("5")
    page.get_by_role("button", name="Submit wait_and_return").click()
    first.get_by_text("STARTED").wait_for()
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=TARGET, full_page=True, animations="disabled")


def main(url: str) -> None:
    """Write a screenshot of the page at *url* and print its size."""
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
        page.goto(url)
        take(page)
    print(f"{TARGET}: {TARGET.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main(sys.argv[1])
