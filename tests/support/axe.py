"""Check a page with axe-core."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
Scheme = Literal["light", "dark"]


def violations(page: Page) -> str:
    """Return what axe-core finds, empty if nothing."""
    results = Axe().run(page, options=RULES)
    return results.generate_report() if results.violations_count else ""
