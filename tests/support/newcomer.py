"""A newcomer who follows the documentation on a fresh copy of the project."""

import re
import shlex
import shutil
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.debugger import debug
from tests.support.doc_reader import Reader
from tests.support.stack import NativeStack

NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".run", "__pycache__", ".*_cache", ".env")


class Newcomer:
    """A user with a fresh copy of the project who starts and restarts the stack as a page says."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder / "glassqueue"
        shutil.copytree(".", self.folder, ignore=NOT_COPIED)
        (self.folder / ".venv").symlink_to(sys.prefix)
        self.stack = NativeStack(folder / "run", folder=self.folder, **{"SHUTDOWN_TIMEOUT": "1"} | settings)
        self._settings = self.stack.settings
        self.needs: dict[str, str] = {}  # settings of the page: what it needs besides a small stack
        self._running = False

    def follow(self, page: str, **settings: str) -> int:
        """Follow a page in the copy; return the number of commands. The settings add what it needs of the stack."""
        self.needs = settings
        return self.reader().follow(self.folder / page)

    def reader(self, **hooks: Any) -> Reader:
        """Return the reader that follows pages in the copy."""
        special = {"make up": self._make_up, "make down": self._make_down, "pkill": self._pkill}
        sessions = {"pdb": partial(debug, self.stack)} | hooks.pop("sessions", {})
        return Reader(self.folder, here(self.stack), special, sessions, **hooks)

    def stop(self) -> None:
        """Stop the stack, if it runs."""
        if self._running:
            self.stack.stop()
        self._running = False

    def _make_up(self, command: str) -> str:
        """Do what `make up NAME=value` does, after Ctrl-C if it runs already; return what it prints."""
        self.stop()
        given = dict(word.split("=", 1) for word in shlex.split(command)[2:])
        self.stack.settings = self._settings | self.needs | given
        try:
            self.stack.start()
        except AssertionError:  # else the reader would show only that the page is wrong
            raise RuntimeError(f"{command}: the stack has not come up:\n{self.stack.log[-2000:]}") from None
        self._running = True
        return self.stack.log

    def _make_down(self, command: str) -> str:
        self.stop()
        return f"glassqueue: stopped the stack in {self.stack.run_dir}"

    def _pkill(self, command: str) -> str:
        """Send a signal as `pkill -KILL [--oldest] --full PATTERN` does, to processes of this stack only."""
        _, number, *options, pattern = shlex.split(command)
        found = [process for process in self.stack.processes() if re.search(pattern, " ".join(process.cmdline()))]
        assert found, f"no process matches {pattern}"
        for process in [min(found, key=lambda each: each.create_time())] if "--oldest" in options else found:
            process.send_signal(getattr(signal, f"SIG{number[1:]}"))
        return ""


def here(stack: NativeStack) -> dict[str, str]:
    """Return replacements for what the pages show: the ports and folders of this stack."""
    ports = {
        "8080": stack.settings["HTTP_PORT"],
        "127.0.0.1:8001": f"127.0.0.1:{stack.settings['PRODUCER_PORT']}",
        "127.0.0.1:6379": f"127.0.0.1:{stack.settings['REDIS_PORT']}",
    }
    client = ".venv/bin/python -m project.client"
    in_redis = f"REDIS_PORT={stack.settings['REDIS_PORT']} RUN_DIR={stack.run_dir}"
    in_its_folder = f"RUN_DIR={stack.run_dir} .venv/bin/"
    measured = ".venv/bin/python -m docs.labs.measure"
    return ports | {
        measured: f"HTTP_PORT={stack.settings['HTTP_PORT']} {in_redis} {measured}",
        "make reset": f"{in_redis} make --silent reset",
        ".run/redis-6379.password": f"{stack.run_dir}/redis-{stack.settings['REDIS_PORT']}.password",
        ".run/mail": f"{stack.run_dir}/mail",
        ".run/stack.log": f"{stack.run_dir}/stack.log",
        "make logs": f"RUN_DIR={stack.run_dir} make --silent logs",
        "make redis-cli": f"{in_redis} make --silent redis-cli",
        ".venv/bin/python -m project.native.redis_cli": f"{in_redis} .venv/bin/python -m project.native.redis_cli",
        ".venv/bin/alembic": f"{in_its_folder}alembic",
        ".venv/bin/python -m project.migrate": f"{in_its_folder}python -m project.migrate",
        client: f"GLASSQUEUE_URL={stack.url} {client}",
        ".venv/bin/celery": f"{in_redis} .venv/bin/celery",
    }
