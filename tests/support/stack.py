"""The native stack, started as `make up` starts it, on free ports and with a run directory of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
from redis import Redis

from project.native.child import TIED
from project.settings import Settings
from tests.support.env_file import env_file_of
from tests.support.ports import free_port
from tests.support.wait import wait_until

PORTS = ("HTTP_PORT", "REDIS_PORT", "PRODUCER_PORT", "FLOWER_PORT", "LOCUST_PORT", "SMTP_PORT")


QUIET = {"HELLO_EVERY": "0", "PURGE_EVERY": "0"}  # tests count jobs: none comes by itself
# What most tests do without, as it takes time to start
SMALL = {"FLOWER_PORT": "0", "LOCUST_PORT": "0", "NOTIFICATION_CONSUMERS": "0", "MAINTENANCE_CONSUMERS": "0"}
SMALL |= {"SMTP_HOST": "mail.invalid"}  # then no mail is caught here


class NativeStack:
    """A stack: where it is, what it logs, and its processes; as a context manager it runs in the block."""

    def __init__(self, run_dir: Path, folder: Path = Path(), *, whole: bool = False, **settings: Any) -> None:
        self.run_dir = run_dir
        self.folder = folder
        ports = {name: str(free_port()) for name in PORTS}
        given = {name: str(value) for name, value in settings.items()}
        self.settings = ports | {"RUN_DIR": str(run_dir)} | QUIET | ({} if whole else SMALL) | given
        self.url = f"http://127.0.0.1:{self.settings['HTTP_PORT']}"
        self._log_path = run_dir.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment that makes a process part of this stack."""
        return {**os.environ, **env_file_of(self.folder), **self.settings}

    @property
    def log(self) -> str:
        """What all processes have printed so far."""
        return self._log_path.read_text()

    def start(self) -> Self:
        """Start it and return when it has announced that it is up."""
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "project.native"],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until(lambda: "Glassqueue is up" in self.log or self._process_ended(), 60, "the stack is up")
        except AssertionError:
            self.stop()  # else it would run beside all tests that follow
            raise
        assert not self._process_ended(), self.log
        return self

    def __enter__(self) -> Self:
        """Start it, unless it runs already."""
        return self if self._process else self.start()

    def __exit__(self, *_: object) -> None:
        """Stop it, unless that has been done already."""
        if not self._process_ended():
            self.stop()

    def stop(self, number: int = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does and return the exit code."""
        assert self._process
        self._process.send_signal(number)
        return self._process.wait(timeout=60)

    def ended(self) -> int:
        """Wait until it has stopped by itself and return the exit code."""
        assert self._process
        return self._process.wait(timeout=60)

    def processes(self) -> list[psutil.Process]:
        """Return all living processes of the stack."""
        assert self._process
        return psutil.Process(self._process.pid).children(recursive=True) if self._process.poll() is None else []

    def main_processes(self) -> list[psutil.Process]:
        """Return the processes that the launcher has started itself."""
        assert self._process
        return psutil.Process(self._process.pid).children()

    def pids(self, *words: str) -> list[int]:
        """Return the processes with all the words in their command line, the oldest first."""
        found = []
        for process in self.processes():
            try:
                command = " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            if all(word in command for word in words) and TIED[-1] not in command:
                found.append((process.create_time(), process.pid))
        return [pid for _, pid in sorted(found)]

    def redis_pids(self) -> list[int]:
        """Return the stack's own Redis, which names its port as its title: redis-server or valkey-server."""
        return self.pids("-server", f":{self.settings['REDIS_PORT']}")

    def redis(self) -> Any:
        """Return a client of the stack's own Redis, with the password that is set or was generated."""
        settings = Settings(redis_port=int(self.settings["REDIS_PORT"]), run_dir=self.run_dir)
        password = self.settings.get("REDIS_PASSWORD") or settings.password_file.read_text()
        return Redis(port=settings.redis_port, password=password)

    def client(self) -> httpx.Client:
        """Return an HTTP client with NGINX as its base URL."""
        return httpx.Client(base_url=self.url, timeout=30)

    def _process_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None
