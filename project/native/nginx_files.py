"""Lay out NGINX's files in the run directory, as the official image's entrypoint does in the container.

NGINX runs in that folder with relative paths only: an absolute path in its files must not contain a $, which NGINX
cannot escape, nor a [ or *, which `include` treats as a pattern.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path("nginx")
WEB = "web"  # a link to the page, in NGINX's folder


def render(target: Path, values: dict[str, str]) -> None:
    """Copy nginx/ to the target folder and render templates/*.template into conf.d/."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(SOURCE, target, ignore=shutil.ignore_patterns("Dockerfile", ".*"))  # .#nginx.conf: Emacs
    (target / "conf.d").mkdir()
    (target / WEB).symlink_to(Path("project/web").absolute())
    for template in (target / "templates").glob("*.template"):
        (target / "conf.d" / template.stem).write_text(_substitute(template.read_text(), values))


def refuse_invalid(nginx: str, folder: Path) -> None:
    """Exit with NGINX's own message if it cannot start with the files in a folder."""
    run = subprocess.run(
        [*command(nginx), "-t"], cwd=folder, check=False, capture_output=True, text=True, errors="replace"
    )
    if run.returncode:
        found = re.search(r"\[emerg\] (?:\d+#\d+: )?(.*)", run.stderr)
        sys.exit(f"glassqueue: {nginx} cannot start: {found[1] if found else run.stderr.strip()}")


def command(nginx: str) -> list[str]:
    """Return the command that runs NGINX in the folder that render() has filled."""
    # started as root, its workers would run as nobody, which cannot read this folder
    options = "daemon off; pid nginx.pid;" + (" user root;" if os.geteuid() == 0 else "")
    return [nginx, "-p", "./", "-e", "stderr", "-c", "nginx.conf", "-g", options]


def _substitute(text: str, values: dict[str, str]) -> str:
    """Replace ${NAME} for known names and keep NGINX's own variables, as envsubst does."""
    return re.sub(r"\$\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)
