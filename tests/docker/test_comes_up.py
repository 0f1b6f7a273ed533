"""`docker compose up --build --wait`: it comes up, and all that works natively works in containers."""

import os
import re
import subprocess
import sys

import httpx
import pytest

from tests.support.compose import ROOT, SERVICES, ComposeStack
from tests.support.http import finished, submit
from tests.support.wait import wait_until

pytestmark = pytest.mark.timeout(900)  # building may download


def test_everything_comes_up_healthy(stack: ComposeStack, figures: dict[str, object]) -> None:
    """`up --build --wait` returns 0, and then every service is there and healthy."""
    figures["seconds for up --build --wait"] = round(stack.seconds_to_start)
    assert stack.health() == dict.fromkeys(SERVICES, "healthy")


def test_the_doctor_sees_every_service(stack: ComposeStack) -> None:
    """Those that its container cannot reach it asks the producer for."""
    wanted = {f"ok      {name}" for name in ("scheduler", "NGINX", "producer", "Flower", "Locust")}

    def all_are_seen() -> bool:
        """On a busy machine an answer may come too late for a check."""
        seen = stack.execute("consumer-maintenance", "python -m project.health.doctor || true")
        return all(line in seen for line in wanted)

    wait_until(all_are_seen)


def test_the_readmes_example_gives_55(http: httpx.Client) -> None:
    """The first thing that a user tries."""
    assert finished(http, "sum", submit(http, "sum", number=10))["result"] == 55


def test_what_works_natively_works_in_containers(stack: ComposeStack, figures: dict[str, object]) -> None:
    """The same e2e tests, all that need only NGINX."""
    stack.scale(consumer=2)  # some tests leave a job of 20 s behind, which others would wait for
    environment = {**os.environ, "GLASSQUEUE_URL": stack.url}
    command = [sys.executable, "-m", "pytest", "tests/e2e", "-q", "--timeout=120"]
    run = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=600)
    stack.scale(consumer=1)
    if run.returncode:
        pytest.fail(run.stdout[-6000:])
    figures["e2e tests"] = run.stdout.splitlines()[-1]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed
    assert int(passed[1]) > 50
