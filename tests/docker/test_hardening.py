"""No container can do more than it must."""

import json
from typing import Any

import pytest

from tests.docker.conftest import CANARY
from tests.support.compose import SERVICES, ComposeStack, docker

pytestmark = pytest.mark.timeout(900)
MIB = 1024 * 1024


def test_only_nginx_publishes_a_port_and_only_on_this_machine(stack: ComposeStack) -> None:
    """Everything else is reached through NGINX."""
    bindings = [
        (container["Config"]["Labels"]["com.docker.compose.service"], binding)
        for container in stack.containers()
        for bound in container["NetworkSettings"]["Ports"].values()
        for binding in bound or []
    ]
    assert bindings == [("nginx", {"HostIp": "127.0.0.1", "HostPort": str(stack.port)})]


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_confined(stack: ComposeStack, service: str) -> None:
    """Not root, no capability, no new privileges, no writable disk, limited memory and log, an init, a restart."""
    for container in stack.containers(service):
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"]
        assert host["Memory"] > 0
        assert host["LogConfig"]["Config"]["max-size"]
        assert host["Init"]
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert container["Config"]["Healthcheck"]["Test"]
    status = _status(stack, service)
    assert "0" not in status["Uid"].split()
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_nginx_the_load_test_and_the_mail_server_cannot_reach_redis_or_postgres(stack: ComposeStack) -> None:
    """An attacker in one of these containers cannot even resolve their names."""
    for service in ("nginx", "locust", "maildev"):
        for hidden in ("redis", "postgres"):
            assert stack.execute(service, f"getent hosts {hidden} || echo unknown").strip() == "unknown"
    assert stack.execute("producer", "getent hosts redis").endswith("redis\n")


def test_one_image_runs_producer_consumer_scheduler_and_flower(stack: ComposeStack) -> None:
    """Built once, so they can never differ."""
    images = {stack.containers(service)[0]["Image"] for service in ("producer", "consumer", "scheduler", "flower")}
    assert len(images) == 1


def test_the_image_has_no_tools_and_no_sources_of_its_build(stack: ComposeStack, figures: dict[str, object]) -> None:
    """Only what runs: no test tool, no compiler, no pip cache; but bytecode, as it cannot be written later."""
    for image, base in (("app", "python:3.13-slim"), ("locust", "python:3.13-slim"), ("nginx", "nginx:1.31-alpine")):
        size = _image(f"{stack.name}-{image}")["Size"]
        own = size - _image(base)["Size"]
        figures[f"image {image}"] = f"{size // MIB} MiB, of which {own // MIB} MiB on top of {base}"
    packages = stack.execute("producer", "ls /opt/venv/lib/python3*/site-packages")
    assert "fastapi" in packages
    assert not {"pytest", "ruff", "mypy", "locust", "pip"} & set(packages.split())
    assert "settings.cpython-313.pyc" in stack.execute("producer", "ls project/__pycache__")
    assert stack.execute("producer", "command -v gcc make git || echo none").strip() == "none"
    leftovers = (
        "find /opt /root /home /tmp -name .cache -o -name '*.whl' -o -name 'requirements*.lock' 2>/dev/null || true"
    )
    assert stack.execute("producer", leftovers).strip() == ""


def test_nothing_of_the_machine_that_builds_ends_up_in_an_image(configured_stack: ComposeStack) -> None:
    """Neither .env nor .git, nor what lies around in the folders that are copied."""
    for image in ("app", "nginx", "locust"):
        tag = f"{configured_stack.name}-{image}"
        assert CANARY not in docker("history", "--no-trunc", tag) + json.dumps(_image(tag))
    for service, folders in (("producer", "/opt"), ("nginx", "/etc /srv"), ("locust", "/opt")):
        assert configured_stack.execute(service, f"grep -rl {CANARY} {folders} 2>/dev/null || true").strip() == ""


def _status(stack: ComposeStack, service: str) -> dict[str, str]:
    """Return what the kernel says about the first process of a container."""
    lines = stack.execute(service, "cat /proc/1/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _image(tag: str) -> dict[str, Any]:
    return dict(json.loads(docker("image", "inspect", tag))[0])
