"""A browser for the tests of the page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.browser import open_browser
from tests.support.page import NO_TOUR, open_page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for each module; playwright's event loop must not outlive it."""
    yield from open_browser()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A new browser window of 1280 x 900 that has seen the tour."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        context.add_init_script(NO_TOUR)
        yield context


@pytest.fixture
def page(context: BrowserContext, url: str) -> Page:
    """The page, once its forms are there and it is live."""
    page = open_page(context, url)
    expect(page.locator("#live")).to_have_text("● live")
    return page
