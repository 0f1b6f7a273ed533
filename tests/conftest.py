"""Options, and fixtures that every test may use: stacks, their HTTP interface and their Redis."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from project import env_file
from project.settings import Settings
from tests.support.rabbitmq import RabbitServer
from tests.support.scheduling import FilesByStack
from tests.support.stack import NativeStack


def pytest_configure(config: pytest.Config) -> None:
    """Set PATH and the working directory, and remove proxies, so that pytest can be started from any folder and shell.

    The developer's own .env reaches neither the tests nor what they start.
    """
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    os.chdir(config.rootpath)
    os.environ["GLASSQUEUE_ENV_FILE"] = os.devnull  # for the processes that tests start
    env_file.PATH = Path(os.devnull)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute whole files among the processes of xdist, and to one of them all files that share a stack."""
    if config.getvalue("dist") != "loadfile":
        return None
    return FilesByStack(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the storm: its length, its broker, and a seed that repeats it."""
    parser.addoption("--storm-jobs", type=int, default=2000, help="more than the default: once with each appendfsync")
    parser.addoption("--broker", choices=["redis", "rabbitmq"], default="redis", help="the broker of e2e and storm")
    parser.addoption("--storm-seed", type=int, default=3, help="what is killed when, in a storm")


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """A RabbitMQ with its management page for the whole session."""
    server = RabbitServer(tmp_path_factory.mktemp("rabbitmq"), "rabbitmq_management")
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Callable[[], dict[str, Any]]:
    """Return the settings of a stack on the broker that `--broker` names, for itself."""
    if request.config.getoption("broker") == "redis":
        return dict
    rabbit = request.getfixturevalue("rabbit")
    return lambda: {"BROKER_URL": rabbit.own_url()}


@pytest.fixture(scope="session")
def shared_stack(
    tmp_path_factory: pytest.TempPathFactory, broker: Callable[[], dict[str, Any]]
) -> Iterator[NativeStack]:
    """A whole stack with the default settings, for all modules that ask for no other."""
    with NativeStack(tmp_path_factory.mktemp("stack") / "run", whole=True, **broker()) as stack:
        yield stack


@pytest.fixture(scope="module")
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, broker: Callable[[], dict[str, Any]]
) -> Iterator[NativeStack]:
    """The shared stack, or one of the module's own with the settings that `pytest.mark.stack(NAME=value)` names."""
    if not (mark := request.node.get_closest_marker("stack")):
        yield request.getfixturevalue("shared_stack")
        return
    with NativeStack(tmp_path_factory.mktemp("stack") / "run", **broker() | mark.kwargs) as stack:
        yield stack


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """The address of NGINX: of the module's stack, or of one elsewhere that GLASSQUEUE_URL names."""
    return os.environ.get("GLASSQUEUE_URL") or str(request.getfixturevalue("stack").url)


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    """An HTTP client with NGINX as its base URL."""
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture
def redis(stack: NativeStack) -> Iterator[Redis]:
    """A client of the stack's Redis."""
    with stack.redis() as client:
        yield client


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> None:
    """Keep the tests apart from what the developer's shell or .env sets."""
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
