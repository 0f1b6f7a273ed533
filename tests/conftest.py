"""What every test may use."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from project import env_file
from project.settings import Settings
from tests.support.rabbitmq import RabbitServer


def pytest_configure(config: pytest.Config) -> None:
    """Find the programs of the venv, the project's files and what runs here, wherever and however pytest was started.

    The developer's own .env reaches neither the tests nor what they start.
    """
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    os.chdir(config.rootpath)
    os.environ["GLASSQUEUE_ENV_FILE"] = os.devnull  # for the processes that tests start
    env_file.PATH = Path(os.devnull)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make chaos` make the storm longer, and anyone repeat one."""
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
def broker(request: pytest.FixtureRequest) -> Callable[[], dict[str, str]]:
    """Return the settings of a stack on the broker that `--broker` names, for itself."""
    if request.config.getoption("broker") == "redis":
        return dict
    rabbit = request.getfixturevalue("rabbit")
    return lambda: {"BROKER_URL": rabbit.own_url()}


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> None:
    """Keep the tests apart from what the developer's shell or .env sets."""
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
