"""Lay out NGINX's files in the run directory, as the official image's entrypoint does in the container."""

import re
import shutil
from pathlib import Path

SOURCE = Path("nginx")


def render(target: Path, values: dict[str, str]) -> None:
    """Copy nginx/ to the target folder and fill in templates/*.template as conf.d/*."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(SOURCE, target, ignore=shutil.ignore_patterns("Dockerfile"))
    (target / "conf.d").mkdir()
    for template in (target / "templates").glob("*.template"):
        (target / "conf.d" / template.stem).write_text(_substitute(template.read_text(), values))


def _substitute(text: str, values: dict[str, str]) -> str:
    """Replace ${NAME} where NAME is known; NGINX's own variables stay, as with envsubst."""
    return re.sub(r"\$\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)
