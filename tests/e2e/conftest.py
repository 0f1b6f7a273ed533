"""The stack that the e2e tests talk to: a native one, or the one at GLASSQUEUE_URL."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.support.newcomer import Newcomer
from tests.support.stack import NativeStack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to a stack elsewhere the tests that need its NGINX only; the others look behind it or start their own."""
    if "GLASSQUEUE_URL" in os.environ:
        for item in items:
            needs = getattr(item, "fixturenames", [])
            if "url" not in needs or "stack" in needs:
                item.add_marker(pytest.mark.skip(reason="needs a native stack, and GLASSQUEUE_URL names another"))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, broker: Callable[[], dict[str, str]]) -> Iterator[NativeStack]:
    """One native stack for the whole session."""
    stack = NativeStack(tmp_path_factory.mktemp("stack") / "run", Path(), whole=True, **broker()).start()
    yield stack
    stack.stop()


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest) -> str:
    """Where NGINX is."""
    return os.environ.get("GLASSQUEUE_URL") or str(request.getfixturevalue("stack").url)


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    """A client whose paths start at NGINX."""
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture
def redis(stack: NativeStack) -> Iterator[Redis]:
    """The Redis of a native stack."""
    with stack.redis() as client:
        yield client


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    """A newcomer whose stack is stopped at the end."""
    newcomer = Newcomer(tmp_path)
    yield newcomer
    newcomer.stop()


@pytest.fixture
def producer_url(stack: NativeStack) -> str:
    """Where the producer is, NGINX left out."""
    return f"http://127.0.0.1:{stack.settings['PRODUCER_PORT']}"
