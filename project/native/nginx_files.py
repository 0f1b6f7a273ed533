"""Lay out NGINX's files in the run directory, as the official image's entrypoint does in the container.

NGINX runs in that folder and all its paths are relative: a path in its files cannot have a $, for which NGINX knows no
escape, nor a [ or *, which `include` takes for a pattern.
"""

import os
import re
import shutil
from pathlib import Path

SOURCE = Path("nginx")
WEB = "web"  # a link to the page, in the folder of NGINX


def render(target: Path, values: dict[str, str]) -> None:
    """Copy nginx/ to the target folder and fill in templates/*.template as conf.d/*."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(SOURCE, target, ignore=shutil.ignore_patterns("Dockerfile"))
    (target / "conf.d").mkdir()
    (target / WEB).symlink_to(Path("project/web").absolute())
    for template in (target / "templates").glob("*.template"):
        (target / "conf.d" / template.stem).write_text(_substitute(template.read_text(), values))


def command(nginx: str) -> list[str]:
    """Return the command that runs NGINX in the folder that render() has filled."""
    # as root its workers would become nobody, a user that cannot read this folder
    options = "daemon off; pid nginx.pid;" + (" user root;" if os.geteuid() == 0 else "")
    return [nginx, "-p", "./", "-e", "stderr", "-c", "nginx.conf", "-g", options]


def _substitute(text: str, values: dict[str, str]) -> str:
    """Replace ${NAME} where NAME is known; NGINX's own variables stay, as with envsubst."""
    return re.sub(r"\$\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)
