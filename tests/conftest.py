"""What every test may use."""

import os

import pytest

from project.settings import Settings


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make chaos` make the storm longer, and anyone repeat one."""
    parser.addoption("--storm-jobs", type=int, default=2000, help="more than the default: once with each appendfsync")
    parser.addoption("--storm-seed", type=int, default=3, help="what is killed when, in a storm")


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> None:
    """Keep the tests apart from what the developer's shell or .env sets."""
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
