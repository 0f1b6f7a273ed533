"""A database with its tables, of each kind, and newer code with two more migrations."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from project.integrations.database import migrations
from project.migrate import migrate
from project.settings import Settings
from tests.support.postgres import Postgres, running_postgres

TABLE = '''"""Make a table that refers to records, and a view of both."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade():
    op.create_table(
        "greetings",
        sa.Column("id", sa.Integer(), sa.Identity(), primary_key=True),
        sa.Column("record_id", sa.BigInteger(), sa.ForeignKey("records.id", ondelete="CASCADE")),
    )
    op.execute("CREATE VIEW greeted AS SELECT g.id, r.job_id FROM greetings g JOIN records r ON r.id = g.record_id")
'''
COLUMN = '''"""Add a column to records, which SQLite's way of doing so copies."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade():
    with op.batch_alter_table("records", recreate="auto") as table:
        table.add_column(sa.Column("extra", sa.String(), server_default="none"))
        table.alter_column("consumer", nullable=True)
'''


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL for the tests of restoring."""
    with running_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def on_postgres(postgres_server: Postgres, tmp_path: Path) -> Settings:
    """A database with an owner that is not a superuser, and with its tables and roles."""
    owner, app, reader = (SecretStr(url) for url in postgres_server.new_database())
    settings = Settings(
        _env_file=None, run_dir=tmp_path, database_owner_url=owner, database_url=app, database_reader_url=reader
    )
    migrate(settings)
    return settings


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A database of each kind, with its tables."""
    if request.param == "postgresql":
        return request.getfixturevalue("on_postgres")
    settings = Settings(_env_file=None, run_dir=tmp_path / "it's 100 % here")
    migrate(settings)
    return settings


@pytest.fixture
def newer_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return where the migrations of newer code are: with a table, a foreign key, a view and a column more."""
    folder = tmp_path / "newer"
    folder.mkdir()
    (folder / "0002_table.py").write_text(TABLE)
    (folder / "0003_column.py").write_text(COLUMN)
    return [*migrations.VERSIONS, folder]
