"""The stack in containers, built and started from a copy of the checkout with a project name and a port of its own."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from tests.support.ports import free_port
from tests.support.wait import wait_until

ROOT = Path(__file__).parents[2]
# what `docker compose up --build` reads; .env, .git and .run of the developer stay behind
PARTS = ("docker-compose*.yml", ".dockerignore", "project", "nginx", "locust", "examples", "*.lock")
LABEL = "com.docker.compose"
SERVICES = (
    "nginx",
    "producer",
    "consumer",
    "consumer-notifications",
    "consumer-maintenance",
    "scheduler",
    "redis",
    "postgres",
    "flower",
    "locust",
    "maildev",
)


class ComposeStack:
    """A project of Docker Compose: where it is, and its containers by service."""

    def __init__(self, folder: Path, name: str, dotenv: str | None = None, *files: str) -> None:
        self.folder = folder
        self._files = [option for file in files for option in ("-f", file)]
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.seconds_to_start = 0.0
        _copy_checkout(folder)
        if dotenv is not None:
            (folder / ".env").write_text(dotenv)

    def compose(self, *arguments: str, timeout: float = 600) -> str:
        """Run `docker compose` for this project and return what it prints; fail if it does."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
        environment = {**outside, "COMPOSE_PROJECT_NAME": self.name, "HTTP_PORT": str(self.port)}
        command = ["docker", "compose", *self._files, *arguments]
        run = subprocess.run(
            command, cwd=self.folder, env=environment, check=False, capture_output=True, text=True, timeout=timeout
        )
        assert run.returncode == 0, f"{' '.join(command)}:\n{run.stdout}{run.stderr}"
        return run.stdout

    def up(self, *arguments: str) -> float:
        """Bring it up, wait until all containers are healthy, and return how long it took, in seconds."""
        begun = time.monotonic()
        self.compose("up", "--wait", *arguments)
        return time.monotonic() - begun

    def scale(self, **services: int) -> float:
        """Scale services to these numbers of containers; return the seconds until all are healthy."""
        return self.up("--no-recreate", *(f"--scale={service}={number}" for service, number in services.items()))

    def down(self) -> None:
        """Remove all that belongs to the project: containers, networks, volumes and the images it has built."""
        self.compose("down", "--volumes", "--timeout=5")
        # not {name}-*: another project's name may begin with this one's
        references = [f"--filter=reference={self.name}-{image}" for image in ("app", "nginx", "locust")]
        built = docker("image", "ls", "--quiet", *references).split()
        if built:
            docker("image", "rm", "--force", *built)

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """Return what `docker inspect` says about the running containers of a service, or of all."""
        ids = self.compose("ps", "--quiet", *filter(None, [service])).split()
        return list(json.loads(docker("inspect", *ids)))

    def addresses(self, service: str) -> set[str]:
        """Return where NGINX finds the containers of a service."""
        networks = [container["NetworkSettings"]["Networks"] for container in self.containers(service)]
        return {network[f"{self.name}_entrance"]["IPAddress"] for network in networks}

    def health(self) -> dict[str, str]:
        """Return the health of each service: healthy, unhealthy or starting."""
        form = f'{{{{.Label "{LABEL}.service"}}}} {{{{.Status}}}}'
        lines = docker("ps", "--filter", f"label={LABEL}.project={self.name}", "--format", form).splitlines()
        matches = [re.search(r"^([\w-]+) .*\((?:health: )?(\w+)\)$", line) for line in lines]
        return {match[1]: match[2] for match in matches if match}

    def wait_for_health(self, status: str, *services: str, timeout: float = 180) -> float:
        """Wait until all these services have this health; return how long it took, in seconds."""
        begun = time.monotonic()
        wait_until(
            lambda: {service: self.health().get(service) for service in services} == dict.fromkeys(services, status),
            timeout,
            f"{', '.join(services)}: {status}",
        )
        return time.monotonic() - begun

    def execute(self, service: str, command: str) -> str:
        """Run a shell command in the first container of a service and return what it prints."""
        return self.compose("exec", "-T", service, "sh", "-c", command)

    def freeze(self, *services: str) -> None:
        """Suspend all processes of a service except its init, as a deadlock would."""
        for service in services:
            self.execute(service, "kill -STOP -1")

    def thaw(self, *services: str) -> None:
        """Resume a frozen service."""
        for service in services:
            self.execute(service, "kill -CONT -1")

    def stop_container(self, name: str) -> float:
        """Stop a container by its id with the grace period of its service; return how long it took, in seconds."""
        begun = time.monotonic()
        docker("stop", name)
        return time.monotonic() - begun

    def client(self) -> httpx.Client:
        """Return an HTTP client with NGINX as its base URL."""
        return httpx.Client(base_url=self.url, timeout=30)


def docker(*arguments: str) -> str:
    """Run `docker` and return what it prints; fail if it does."""
    run = subprocess.run(["docker", *arguments], check=False, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, f"docker {' '.join(arguments)}:\n{run.stdout}{run.stderr}"
    return run.stdout


def _copy_checkout(folder: Path) -> None:
    for part in (path for pattern in PARTS for path in ROOT.glob(pattern)):
        if part.is_dir():
            shutil.copytree(part, folder / part.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(part, folder)
