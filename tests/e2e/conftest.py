"""What the e2e tests share, and which of them a stack elsewhere can pass."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.newcomer import Newcomer
from tests.support.stack import NativeStack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With GLASSQUEUE_URL skip the tests that need more than NGINX with the default settings."""
    if "GLASSQUEUE_URL" in os.environ:
        for item in items:
            if not _needs_only_nginx(item):
                item.add_marker(pytest.mark.skip(reason="needs a native stack, and GLASSQUEUE_URL names another"))


def _needs_only_nginx(item: pytest.Item) -> bool:
    needs = getattr(item, "fixturenames", [])
    own_stack = item.get_closest_marker("stack") or hasattr(getattr(item, "module", None), "stack")
    return "url" in needs and "stack" not in needs and not own_stack


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    """A newcomer; their stack is stopped at the end."""
    newcomer = Newcomer(tmp_path)
    yield newcomer
    newcomer.stop()


@pytest.fixture
def producer_url(stack: NativeStack) -> str:
    """The address of the producer, past NGINX."""
    return f"http://127.0.0.1:{stack.settings['PRODUCER_PORT']}"
