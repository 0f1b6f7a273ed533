"""`.env.example` and Settings say the same."""

import pytest

from project.settings import Settings
from tests.support.env_example import Documented, documented

DEFAULTS = {name.upper(): field.default for name, field in Settings.model_fields.items()}


def test_every_setting_is_documented_once_and_nothing_else() -> None:
    """A new field of Settings needs its lines, a removed one leaves none."""
    assert [setting.name for setting in documented()] == list(DEFAULTS)


@pytest.mark.parametrize("setting", documented(), ids=lambda setting: setting.name)
def test_a_setting_is_documented_with_its_default_and_its_reason(setting: Documented) -> None:
    """Uncommenting a line as it stands changes nothing."""
    default = DEFAULTS[setting.name]
    secret = getattr(default, "get_secret_value", None)
    assert setting.default == str(secret() if secret else default)
    assert setting.reason
