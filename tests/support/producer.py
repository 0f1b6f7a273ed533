"""A producer as a process of its own, without the rest of the stack."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.fork_server import ForkedProgram
from tests.support.ports import free_port
from tests.support.processes import Process, clean_environment
from tests.support.wait import wait_until

FACTORY = "project.producer:create_app"


class Producer(Process):
    """A real uvicorn with the producer, on a free port."""

    def __init__(self, folder: Path, redis_port: int, factory: object = FACTORY, **settings: object) -> None:
        self.port = free_port()
        self.log = folder / f"producer-{self.port}.log"
        command = ["uvicorn", "--factory", str(factory), "--port", str(self.port)]
        command += ["--http", "project.api.http_protocol:ProblemProtocol"]
        environment = {"REDIS_PORT": str(redis_port), "RUN_DIR": str(folder)}
        environment |= {name.upper(): str(value) for name, value in settings.items()}
        self.process = ForkedProgram(command, clean_environment() | environment, self.log)

    def ready(self) -> "Producer":
        """Wait until it listens."""
        wait_until(lambda: b"running on" in self.log.read_bytes(), what="the producer listens")
        return self

    def client(self) -> httpx.Client:
        """Return an HTTP client of it."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)


@contextmanager
def without_rights(redis: Any) -> Iterator[None]:
    """Let Redis refuse all keys to its clients, an error that the producer does not expect."""
    redis.execute_command("ACL", "SETUSER", "default", "resetkeys")
    try:
        yield
    finally:
        redis.execute_command("ACL", "SETUSER", "default", "allkeys")


StartProducer = Callable[..., Producer]
