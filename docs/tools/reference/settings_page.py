"""Generate the page of the settings from `.env.example` and the types of Settings."""

from itertools import groupby

from docs.tools.reference.schema import in_words, table
from project.settings import Settings
from tests.support.env_example import Documented, documented

INTRO = """# Settings

Each setting is an environment variable, or a line of the file `.env` in the project's folder. The environment overrides
the file. An invalid value stops the start with one line that names the variable. Times are in seconds. The fixed options
of Celery, Redis and NGINX are explained [here](../explanation/settings.md).

Any value can be in a file that the environment names: `SMTP_PASSWORD_FILE=/run/secrets/smtp`. In containers that file is
a Compose secret; grant it to the services that need it in `docker-compose.override.yml`:

```yaml
services:
  consumer-notifications:
    environment: {SMTP_PASSWORD_FILE: /run/secrets/smtp}
    secrets: [smtp]
secrets:
  smtp: {file: ./smtp.secret}
```

In containers, `REDIS_PASSWORD` and `POSTGRES_PASSWORD` cannot come from files, because the servers need them too.
"""


def settings_page() -> str:
    """Return the page."""
    sections = groupby(documented(), key=lambda setting: setting.section)
    tables = [f"\n## {_plain(name)}\n\n{table(_HEAD, *map(_row, group))}" for name, group in sections]
    return INTRO + "".join(tables)


_HEAD = ("setting", "default", "type", "meaning")
_TYPES = Settings.model_json_schema()["properties"]


def _plain(section: str) -> str:
    return section.replace("`", "")


def _row(setting: Documented) -> tuple[str, ...]:
    default = f"`{setting.default}`" if setting.default else "empty"
    return f"`{setting.name}`", default, in_words(_TYPES[setting.name.lower()]), setting.reason
