"""Start a real Chromium for tests and for the screenshot."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


expect.set_options(timeout=60_000)  # milliseconds, as wait_until


class NoChromium(Exception):
    """Chromium is not on PATH, and `playwright install chromium` was not run."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless Chromium: the system's own, else playwright's."""
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, NAMES)), playwright.chromium.executable_path)
        if not Path(found).exists():
            raise NoChromium(NoChromium.__doc__)
        # Chromium refuses to sandbox what root starts
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        with playwright.chromium.launch(executable_path=found, args=arguments) as browser:
            yield browser


def open_browser() -> Iterator[Browser]:
    """Yield a browser for a fixture; without Chromium, skip on a laptop and fail in CI."""
    try:
        with chromium() as browser:
            yield browser
    except NoChromium as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
