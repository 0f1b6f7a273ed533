"""Two stacks in containers: one with the defaults, one with changed settings in .env."""

import os
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.support.compose import ROOT, ComposeStack

CANARY = "canary-5d1c7e"
PASSWORD = f'{CANARY} "@:/%?$$x${{HOME}} #1ä'


@pytest.fixture(scope="session")
def project() -> str:
    """A project name that no other run has; without a Docker engine a laptop skips and CI fails."""
    if not (_answers("docker", "version") and _answers("docker", "compose", "version")):
        reason = "needs a running Docker engine with Compose v2"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return f"glassqueue-test-{os.getpid()}"


@pytest.fixture(scope="session")
def stack(project: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """One stack without a .env for the whole session; a test that changes it puts it back."""
    yield from _run(ComposeStack(tmp_path_factory.mktemp("compose"), project))


@pytest.fixture(scope="session")
def configured_stack(project: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """A second stack with settings in .env, and with private files around it."""
    folder = tmp_path_factory.mktemp("configured")
    settings = {
        "REDIS_PASSWORD": f"'{PASSWORD}'",
        "POSTGRES_PASSWORD": f"'{PASSWORD}'",
        "CONSUMERS": "2",
        "CONSUMER_SLOTS": "1",
        "SHUTDOWN_TIMEOUT": "1",
        "LOG_LEVEL": "DEBUG",
        "CHAOS": "1",
    }
    dotenv = [(ROOT / ".env.example").read_text(), *(f"{name}={value}\n" for name, value in settings.items())]
    stack = ComposeStack(folder, f"{project}-configured", "".join(dotenv))
    for name in (".git/config", ".run/redis/dump.rdb", "project/.env", "nginx/.env.local", "locust/notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(CANARY)
    yield from _run(stack)


@pytest.fixture
def http(stack: ComposeStack) -> Iterator[httpx.Client]:
    """A client of the first stack."""
    with stack.client() as client:
        yield client


@pytest.fixture
def figures(capsys: pytest.CaptureFixture[str]) -> Iterator[dict[str, object]]:
    """What a test has measured; printed when it ends, whether output is captured or not."""
    measured: dict[str, object] = {}
    yield measured
    with capsys.disabled():
        print("".join(f"\n    {name}: {value}" for name, value in measured.items()), end=" ")


def _run(stack: ComposeStack) -> Iterator[ComposeStack]:
    try:
        stack.seconds_to_start = stack.up("--build")
        yield stack
    finally:
        stack.down()


def _answers(*command: str) -> bool:
    """Say whether a command runs and finds the engine."""
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
