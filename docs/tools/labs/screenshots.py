"""Do labs, and take a screenshot of the page that Observe links first: `python -m docs.tools.labs.screenshots 02 10`."""

import re
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from docs.tools.labs.__main__ import isolate_environment
from docs.tools.labs.lab import Lab, labs
from docs.tools.labs.pages import IMAGES
from docs.tools.labs.runner import Runner
from tests.support.browser import chromium
from tests.support.page import NO_TOUR

SETTLED = 1500  # milliseconds in which the page draws what it has read


def take(context: BrowserContext, lab: Lab, url: str) -> None:
    """Write the screenshot of a lab."""
    link = re.search(r"http://127\.0\.0\.1:8080(/#[^)\s]*)", lab.sections["Observe"])
    assert link, f"{lab.path}: Observe has no link to the page"
    page = context.new_page()
    page.goto(url + link[1])
    expect(page.locator("#live")).to_have_text("● live")
    page.wait_for_timeout(SETTLED)
    page.screenshot(path=IMAGES / f"{lab.number}.png")
    page.close()


def main(numbers: list[str]) -> None:
    """Do the labs with these numbers, or all, with a browser beside them."""
    isolate_environment()
    with chromium() as browser, browser.new_context(viewport={"width": 1000, "height": 640}) as context:
        context.add_init_script(NO_TOUR)
        for lab in labs():
            if not numbers or lab.number in numbers:
                _do(lab, context)


def _do(lab: Lab, context: BrowserContext) -> None:
    with tempfile.TemporaryDirectory() as name:
        runner = Runner(Path(name))
        runner.observe = lambda lab, url: take(context, lab, url)
        try:
            runner.run(lab)
        finally:
            runner.close()


if __name__ == "__main__":
    main(sys.argv[1:])
