"""The example project in examples/shop as a container beside the stack."""

import subprocess

import httpx
import pytest

from tests.support.compose import ComposeStack
from tests.support.http import assert_problem, finished, submit
from tests.support.wait import wait_until

pytestmark = pytest.mark.timeout(900)  # building may download

FILES = ("-f", "docker-compose.yml", "-f", "examples/shop/docker-compose.yml")


def test_a_container_adds_tasks_to_a_running_stack(stack: ComposeStack, http: httpx.Client) -> None:
    """The producer runs on unchanged, without the code and without its requirements."""
    subprocess.run(["docker", "tag", f"{stack.name}-app", "glassqueue-app"], check=True)
    try:
        stack.compose(*FILES, "up", "--build", "--wait", "--no-recreate", "consumer-shop")
        wait_until(lambda: http.options("/producer/api/quote").status_code == 405, what="the task is announced")
        job_id = submit(http, "quote", cents=[400, 600], discount=10)
        assert finished(http, "quote", job_id)["result"] == 1080
        assert_problem(http.post("/producer/api/label", json={"parcel": ""}), 422)
    finally:
        stack.compose(*FILES, "rm", "--stop", "--force", "consumer-shop")
