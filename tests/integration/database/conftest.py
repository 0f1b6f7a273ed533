"""An empty database of each kind for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from project.migrate import migrate
from project.settings import Settings
from tests.support.postgres import Postgres, running_postgres


def empty_database(postgres: Postgres) -> Settings:
    """Create a database with an owner that is not a superuser; the other two roles do not exist yet."""
    owner, app, reader = postgres.new_database()
    return Settings(_env_file=None, database_owner_url=owner, database_url=app, database_reader_url=reader)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL for all tests."""
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def on_postgres(postgres: Postgres) -> Settings:
    """An empty database in it."""
    return empty_database(postgres)


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return Settings(_env_file=None, run_dir=tmp_path / "run")
    return request.getfixturevalue("on_postgres")


@pytest.fixture
def migrated(settings: Settings) -> Settings:
    """The same with its tables."""
    assert migrate(settings)
    return settings
