"""A real RabbitMQ of our own, as Debian packages it."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import kombu
import pytest

from tests.support.ports import free_port
from tests.support.processes import Worker, clean_environment
from tests.support.wait import wait_until

BINARY = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # that on PATH wants root, to become another user
MISSING = "RabbitMQ is not installed (Debian: rabbitmq-server)"


def is_installed() -> bool:
    """Tell whether RabbitMQ and Erlang's port mapper are there."""
    return BINARY.exists() and shutil.which("epmd") is not None


class RabbitServer(Worker):
    """A node of its own in a folder of its own, with a port mapper of its own; it does not run until it is started.

    A laptop without RabbitMQ skips the test, CI fails it.
    """

    def __init__(self, folder: Path, *plugins: str) -> None:
        if not is_installed():
            pytest.fail(MISSING) if os.environ.get("CI") == "true" else pytest.skip(MISSING)
        self.folder, self.port, self.management_port = folder, free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self._mapper_port = free_port()
        self._mapper: subprocess.Popen[bytes] | None = None
        (folder / "plugins").write_text(f"[{','.join(plugins)}].")
        (folder / "rabbitmq.conf").write_text(f"management.tcp.port = {self.management_port}\n" if plugins else "")
        self._environment = clean_environment() | self._node() | self._files()

    def _node(self) -> dict[str, str]:
        return {
            "RABBITMQ_NODENAME": f"test-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # one scheduler that sleeps when it is idle: the tests need the cores
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }

    def _files(self) -> dict[str, str]:
        names = {
            "HOME": "",  # of the Erlang cookie
            "RABBITMQ_CONF_ENV_FILE": "none",
            "RABBITMQ_CONFIG_FILE": "rabbitmq.conf",
            "RABBITMQ_MNESIA_BASE": "mnesia",
            "RABBITMQ_LOG_BASE": "log",
            "RABBITMQ_SCHEMA_DIR": "schema",
            "RABBITMQ_GENERATED_CONFIG_DIR": "config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": "plugins",
            "RABBITMQ_PID_FILE": "pid",
        }
        return {variable: str(self.folder / name) for variable, name in names.items()}

    def start(self) -> "RabbitServer":
        """Start, or start again after a kill, and wait until it takes connections."""
        environment = os.environ | self._environment
        with (self.folder / "rabbitmq.log").open("ab") as log:
            self._mapper = subprocess.Popen(["epmd"], env=environment, stdout=log, stderr=log)
            self.process = subprocess.Popen(
                [BINARY], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self.answers, 90, "RabbitMQ answers")
        return self

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        try:
            with self.connection() as connection:
                return bool(connection.connect())
        except OSError:
            return False

    def connection(self) -> Any:
        """Return a connection to it."""
        return kombu.Connection(self.url, connect_timeout=1)

    @property
    def management_url(self) -> str:
        """Where its management API is, if it has that plugin."""
        return f"http://guest:guest@127.0.0.1:{self.management_port}/api/"

    def manage(self, path: str) -> Any:
        """Ask the management API."""
        return httpx.get(self.management_url + path).raise_for_status().json()

    def own_url(self) -> str:
        """Return the URL of a new virtual host, which shares no queue with others."""
        name = uuid4().hex
        with httpx.Client(base_url=self.management_url, timeout=30) as http:
            http.put(f"vhosts/{name}").raise_for_status()
            rights = dict.fromkeys(("configure", "write", "read"), ".*")
            http.put(f"permissions/{name}/guest", json=rights).raise_for_status()
        return f"{self.url.removesuffix('/')}{name}"

    def control(self, *command: str) -> None:
        """Run rabbitmqctl."""
        node = ["--node", self._environment["RABBITMQ_NODENAME"]]
        environment = os.environ | self._environment
        subprocess.run([BINARY.with_name("rabbitmqctl"), *node, *command], env=environment, check=True, timeout=60)

    def kill(self) -> None:
        """Kill it and its port mapper without warning, if they were started."""
        if self._mapper:
            super().kill()
            self._mapper.kill()
            self._mapper.wait(10)
