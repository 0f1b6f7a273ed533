"""A newcomer who follows the documentation on a fresh copy of the project."""

import re
import shlex
import shutil
import sys
from functools import partial
from pathlib import Path

from tests.support.debugger import debug
from tests.support.doc_reader import Reader
from tests.support.stack import NativeStack

NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".run", "__pycache__", ".*_cache", ".env")


class Newcomer:
    """A user with a fresh copy of the project who starts and restarts the stack as a page says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "glassqueue"
        shutil.copytree(".", self.folder, ignore=NOT_COPIED)
        (self.folder / ".venv").symlink_to(sys.prefix)
        self._stack = NativeStack(folder / "run", folder=self.folder, SHUTDOWN_TIMEOUT="1")
        self._running = False

    def follow(self, page: str, **settings: str) -> int:
        """Follow a page in the copy; return the number of commands. The settings add what it needs of the stack."""
        self._stack.settings |= settings
        special = {"make up": self._make_up, "pkill": self._pkill}
        sessions = {"pdb": partial(debug, self._stack)}
        reader = Reader(self.folder, here(self._stack), special, sessions)
        return reader.follow(self.folder / page)

    def stop(self) -> None:
        """Stop the stack, if it runs."""
        if self._running:
            self._stack.stop()
        self._running = False

    def _make_up(self, command: str) -> str:
        """Do what `make up NAME=value` does, after Ctrl-C if it runs already; return what it prints."""
        self.stop()
        self._stack.settings |= dict(word.split("=") for word in command.split()[2:])
        self._stack.start()
        self._running = True
        return self._stack.log

    def _pkill(self, command: str) -> str:
        """Kill what `pkill -KILL --oldest --full PATTERN` finds, looking at this stack only."""
        *options, pattern = shlex.split(command)
        assert options == ["pkill", "-KILL", "--oldest", "--full"]
        found = [process for process in self._stack.processes() if re.search(pattern, " ".join(process.cmdline()))]
        min(found, key=lambda process: process.create_time()).kill()
        return ""


def here(stack: NativeStack) -> dict[str, str]:
    """Return replacements for what the pages show: the ports and folders of this stack."""
    ports = {
        "8080": stack.settings["HTTP_PORT"],
        "127.0.0.1:8000": f"127.0.0.1:{stack.settings['PRODUCER_PORT']}",
        "127.0.0.1:6379": f"127.0.0.1:{stack.settings['REDIS_PORT']}",
    }
    client = ".venv/bin/python -m project.client"
    in_redis = f"REDIS_PORT={stack.settings['REDIS_PORT']} RUN_DIR={stack.run_dir}"
    in_its_folder = f"RUN_DIR={stack.run_dir} .venv/bin/"
    return ports | {
        ".run/redis-6379.password": f"{stack.run_dir}/redis-{stack.settings['REDIS_PORT']}.password",
        ".run/stack.log": f"{stack.run_dir}/stack.log",
        "make redis-cli": f"{in_redis} make --silent redis-cli",
        ".venv/bin/python -m project.native.redis_cli": f"{in_redis} .venv/bin/python -m project.native.redis_cli",
        ".venv/bin/alembic": f"{in_its_folder}alembic",
        ".venv/bin/python -m project.migrate": f"{in_its_folder}python -m project.migrate",
        client: f"GLASSQUEUE_URL={stack.url} {client}",
        ".venv/bin/celery": f"{in_redis} .venv/bin/celery",
    }
