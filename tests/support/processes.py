"""Redis servers and Celery workers as child processes."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from redis import Redis
from redis.exceptions import RedisError

from project.native.binaries import redis_server
from tests.support.fork_server import ForkedProgram
from tests.support.ports import free_port
from tests.support.wait import wait_until

ROOT = Path(__file__).parent.parent.parent


class Process:
    """A child process that can be killed, paused and stopped."""

    process: subprocess.Popen[bytes] | ForkedProgram

    def send(self, name: str) -> None:
        """Send a signal by name, for example KILL."""
        self.process.send_signal(getattr(signal, f"SIG{name}"))

    def kill(self) -> None:
        """Kill without warning, and wait for the end."""
        self.process.kill()
        self.process.wait(10)

    def stop(self, timeout: float = 60) -> int:
        """Ask to stop, and wait for the end."""
        self.process.terminate()
        return self.process.wait(timeout)

    def __enter__(self) -> Self:
        """Do nothing: the constructor starts it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it."""
        self.kill()


class RedisServer(Process):
    """A redis-server with its own folder; as a context manager it is killed after the block."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options, self.port = folder, options, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = Redis(port=self.port)
        self.start()

    def start(self) -> None:
        """Start, or start again after a kill, and wait until it answers."""
        command = [redis_server(), "--port", str(self.port), "--dir", str(self.folder), "--save", ""]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen([*command, *self.options], stdout=log, stderr=log)
        wait_until(self.answers)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave it no free memory during the block."""
        self.client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            self.client.config_set("maxmemory", 0)

    @contextmanager
    def disk_full(self) -> Iterator[None]:
        """Let it refuse every write during the block, because it cannot save its data."""
        obstacle = self.folder / "dump.rdb"
        obstacle.mkdir()
        self.client.config_set("save", "3600 1")
        self.client.bgsave()
        wait_until(lambda: self.client.info("persistence")["rdb_last_bgsave_status"] == "err")
        try:
            yield
        finally:
            self.client.config_set("save", "")
            obstacle.rmdir()

    def answers(self) -> bool:
        """Return whether it answers commands."""
        try:
            return bool(self.client.ping())
        except (RedisError, OSError):
            return False


class Worker(Process):
    """A real `celery worker` in its own session, so that SIGKILL reaches its children too."""

    def __init__(self, url: str, folder: Path, name: str, pool: str = "solo", slots: int = 1, *args: str,
                 app: str = "tests.support.transport_app", **env: Any) -> None:  # fmt: skip
        self.log = folder / f"{name}.log"
        self._logged = self.log.stat().st_size if self.log.exists() else 0  # by an earlier worker of this name
        pool = "custom" if pool == "forked" else pool  # as tests/support/preloaded.py has it
        command = ["celery", "-A", app, "worker", "-P", pool, "-c", str(slots)]
        command += ["-n", f"{name}@test", "-l", "info", "--without-mingle", "--without-gossip", *args]
        environment = (
            clean_environment() | {"BROKER_URL": url} | {key.upper(): str(value) for key, value in env.items()}
        )
        self.process = ForkedProgram(command, environment, self.log, new_session=True)

    def ready(self) -> "Worker":
        """Wait until the worker takes jobs."""
        wait_until(lambda: self.process.poll() is None and b" ready." in self.log.read_bytes()[self._logged :])
        return self

    def signal_all(self, name: str) -> None:
        """Send a signal to the worker and its children."""
        os.killpg(self.process.pid, getattr(signal, f"SIG{name}"))

    def kill(self) -> None:
        """Kill the worker and its children without warning."""
        if self.process.poll() is None:
            self.signal_all("KILL")
        self.process.wait(10)


def clean_environment() -> dict[str, str]:
    """Return our environment without anything that would configure Celery."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("CELERY", "BROKER", "LEASE"))}
