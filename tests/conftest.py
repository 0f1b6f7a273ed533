"""What every test may use."""

import os

import pytest

from project.settings import Settings


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> None:
    """Keep the tests apart from what the developer's shell or .env sets."""
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
