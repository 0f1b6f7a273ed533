"""The two front doors that are compared: this project's producer, and the plain way; each behind our NGINX."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil

from tests.support.nginx import Nginx
from tests.support.ports import free_port
from tests.support.processes import ROOT, Process, RedisServer, clean_environment
from tests.support.stack import QUIET
from tests.support.wait import wait_until

PATH = "/producer/api/sum"
HTTP = ("--http", "project.api.http_protocol:ProblemProtocol")
OURS = ("--factory", "project.producer:create_app", "--timeout-graceful-shutdown", "31", *HTTP)
#: Without the wheels of uvicorn[standard], which the plain way does not install.
PLAIN = ("benchmarks.plain:app", "--loop", "asyncio", "--http", "h11")


class Program(Process):
    """A Python program of the venv, with its output in a file."""

    def __init__(self, log: Path, *command: str, **environment: str) -> None:
        script = str(Path(sys.executable).with_name(command[0]))
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, script, *command[1:]],
                cwd=ROOT,
                env=clean_environment() | {"PYTHONPATH": str(ROOT)} | environment,
                stdout=output,
                stderr=output,
            )


class FrontDoor:
    """Producers on one Redis, with NGINX in front."""

    def __init__(
        self, folder: Path, server: RedisServer, app: tuple[str, ...], producers: int, around: ExitStack
    ) -> None:
        folder.mkdir()
        self.folder, self.server = folder, server
        self.environment = QUIET | {"REDIS_URL": server.url, "REDIS_PORT": str(server.port), "RUN_DIR": str(folder)}
        self.environment |= {"GLASSQUEUE_ENV_FILE": os.devnull}
        ports = [free_port() for _ in range(producers)]
        self.producers = [self._producer(port, app, around) for port in ports]
        # the template inserts the value after `server`, so one value can hold several servers
        address = "; server ".join(f"127.0.0.1:{port}" for port in ports)
        nginx = around.enter_context(Nginx(folder, PRODUCER_ADDRESS=address))
        self.nginx, self.url = nginx, f"{nginx.url}{PATH}"
        wait_until(lambda: self._answers(ports), 30, "the producers answer")

    def submit(self) -> str:
        """Submit a job and return its address."""
        return f"{self.url}/{httpx.post(self.url, json={'number': 10}).raise_for_status().json()['job_id']}"

    def cpu_time(self) -> float:
        """Return the seconds of CPU time that the producers have used."""
        return sum(sum(psutil.Process(each.process.pid).cpu_times()[:2]) for each in self.producers)

    def consumer(self, around: ExitStack) -> Program:
        """Start one of our consumers, as it ships."""
        command = ("celery", "--app", "project.consumer", "worker", "--hostname", "bench@%h")
        return around.enter_context(Program(self.folder / "consumer.log", *command, **self.environment))

    def _producer(self, port: int, app: tuple[str, ...], around: ExitStack) -> Program:
        command = ("uvicorn", *app, "--port", str(port), "--no-access-log")
        return around.enter_context(Program(self.folder / f"producer-{port}.log", *command, **self.environment))

    def _answers(self, ports: list[int]) -> bool:
        try:
            return all(httpx.get(f"http://127.0.0.1:{port}{PATH}/none").status_code < 500 for port in ports)
        except httpx.TransportError:
            return False


@contextmanager
def front_door(folder: Path, server: RedisServer, app: tuple[str, ...], producers: int = 1) -> Iterator[FrontDoor]:
    """Run a front door during the block."""
    with ExitStack() as around:
        yield FrontDoor(folder, server, app, producers, around)
