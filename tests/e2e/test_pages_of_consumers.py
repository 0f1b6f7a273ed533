"""The pages on which consumers are killed, followed to the letter by a newcomer: most of it is waiting for leases."""

import pytest

from tests.support.newcomer import Newcomer

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize("page", ["docs/how-to/scale-consumers.md", "docs/how-to/compare-with-stock.md"])
def test_a_newcomer_can_follow_the_page_about_consumers(newcomer: Newcomer, page: str) -> None:
    """Every command shows what the page shows."""
    assert newcomer.follow(page) >= 3
