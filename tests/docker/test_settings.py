"""`.env` reaches the containers."""

import pytest

from tests.docker.conftest import CANARY, PASSWORD
from tests.support.compose import ROOT, SERVICES, ComposeStack
from tests.support.http import finished, submit

pytestmark = pytest.mark.timeout(900)


def test_env_example_copied_to_env_changes_nothing(stack: ComposeStack) -> None:
    """It shows the defaults, all commented."""
    before = stack.compose("config")
    (stack.folder / ".env").write_text((ROOT / ".env.example").read_text())
    after = stack.compose("config")
    (stack.folder / ".env").unlink()
    assert after == before


def test_settings_in_env_take_effect(configured_stack: ComposeStack) -> None:
    """A password for Redis, and how many consumers of how many slots, and how much they log."""
    assert configured_stack.health() == dict.fromkeys(SERVICES, "healthy")
    assert len(configured_stack.containers("consumer")) == 2
    assert "NOAUTH" in configured_stack.execute("redis", "redis-cli ping 2>&1 || true")
    log = configured_stack.compose("logs", "--no-log-prefix", "consumer")
    assert " DEBUG " in log
    with configured_stack.client() as http:
        consumers = http.get("/producer/api/consumers").json()
        assert [each["slots"] for each in consumers if "cpu" in each["queues"]] == [1, 1]
        assert finished(http, "sum", submit(http, "sum", number=10))["result"] == 55


def test_the_password_is_not_logged(configured_stack: ComposeStack) -> None:
    """Not even at level DEBUG."""
    assert f"REDIS_PASSWORD={PASSWORD}" in configured_stack.execute("producer", "env").splitlines()
    assert CANARY not in configured_stack.compose("logs")


def test_no_password_is_on_a_command_line_or_where_it_is_not_needed(configured_stack: ComposeStack) -> None:
    """Everybody on the machine can read command lines: of the services, their init and their health checks."""
    for service in SERVICES:
        for container in configured_stack.containers(service):
            visible = [container["Path"], container["Args"], container["Config"]["Healthcheck"]]
            assert CANARY not in str(visible), service
        running = configured_stack.execute(service, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
        assert CANARY not in running, service
    for service in ("nginx", "locust", "maildev"):
        assert CANARY not in configured_stack.execute(service, "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '")
