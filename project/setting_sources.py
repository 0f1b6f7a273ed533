"""Read settings from files: `.env`, and a file per secret."""

import os
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from project import env_file
from project.env_file import EnvFileError
from project.startup import ROOT


def overriding(values: dict[str, str]) -> dict[str, str]:
    """Return the environment for a process that has these values, without NAME_FILE, which would win over NAME."""
    return {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in values} | values


class SecretFiles(PydanticBaseSettingsSource):
    """Read settings from files: REDIS_PASSWORD_FILE=/run/secrets/redis, as Docker's official images do."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the text of the file that NAME_FILE names, without the final newline that an editor adds."""
        path = os.environ.get(name := f"{field_name.upper()}_FILE")
        try:
            # utf-8-sig: without the byte order mark that editors on Windows add
            return (ROOT / path).read_text("utf-8-sig").rstrip("\n") if path else None, field_name, False
        except UnicodeDecodeError:
            raise EnvFileError(f"{name}: {path} is not UTF-8; save the file as UTF-8") from None
        except OSError as error:
            raise EnvFileError(f"{name}: {path}: {error.strerror}") from None

    def __call__(self) -> dict[str, Any]:
        """Return all values from files."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class EnvFile(PydanticBaseSettingsSource):
    """Read settings from `.env` as Compose does, not as python-dotenv does."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of a setting in the file."""
        return env_file.read(env_file.PATH).get(field_name.upper()), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return all values, including those of unknown names."""
        return {name.lower(): value for name, value in env_file.read(env_file.PATH).items()}
