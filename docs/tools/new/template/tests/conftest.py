"""Fixtures for all tests: a running stack and a client for it."""

import os
import sys
from collections.abc import Iterator

import httpx
import pytest

from project.settings import Settings
from tests.support.stack import NativeStack


def pytest_configure(config: pytest.Config) -> None:
    """Keep the developer's .env, settings and proxies away from the tests."""
    for name in [
        name for name in os.environ if name.lower().endswith("_proxy") or name.lower() in Settings.model_fields
    ]:
        del os.environ[name]
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    os.chdir(config.rootpath)
    os.environ["GLASSQUEUE_ENV_FILE"] = os.devnull


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    """Start a stack with the default settings, on free ports."""
    with NativeStack(tmp_path_factory.mktemp("stack") / "run", whole=True) as stack:
        yield stack


@pytest.fixture
def http(stack: NativeStack) -> Iterator[httpx.Client]:
    """Return a client whose paths start at NGINX."""
    with stack.client() as client:
        yield client
