"""`python -m project.migrate` creates what the models declare, once, however often and concurrently it is run."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import NullPool, inspect

from project.errors import DatabaseMismatch
from project.health.database_check import check
from project.integrations.database.engine import Base, make_engine, transaction
from project.integrations.database.history import page
from project.migrate import main, migrate
from project.settings import Settings, get_settings
from tests.support.ports import free_port
from tests.support.postgres import PASSWORD, Postgres
from tests.support.stack import PORTS


def _environment(settings: Settings) -> dict[str, str]:
    """Return what a process needs to have these settings."""
    secrets = {name: value for name, value in dict(settings).items() if name.startswith("database")}
    urls = {name.upper(): value.get_secret_value() for name, value in secrets.items()}
    return urls | {"RUN_DIR": str(settings.run_dir)}


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Settings], str]]:
    """What the command says when it refuses to go on."""

    def refusal(settings: Settings) -> str:
        for name, value in _environment(settings).items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        with pytest.raises(SystemExit) as stopped:
            main()
        return str(stopped.value)

    yield refusal
    get_settings.cache_clear()


def test_the_migrations_make_what_the_models_say(settings: Settings) -> None:
    """Up from nothing: Alembic would add nothing and remove nothing."""
    assert migrate(settings)
    engine = make_engine(settings.database_owner, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
        assert check(settings).state == "ok"


def test_migrating_again_changes_nothing(migrated: Settings) -> None:
    """So a stack can be started again."""
    assert not migrate(migrated)
    with transaction(migrated.database) as session:
        assert page(session, 10) == []


def test_the_first_migration_can_be_downgraded(migrated: Settings) -> None:
    """Alembic's own command line works too; it reads the project's settings."""
    engine = make_engine(migrated.database_owner, poolclass=NullPool)
    with engine.begin() as connection:
        config = Config(toml_file="pyproject.toml")
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert migrate(migrated)


def test_several_can_migrate_at_once(settings: Settings) -> None:
    """One of them does it while the others wait."""
    environment = os.environ | _environment(settings)
    command = [sys.executable, "-m", "project.migrate"]
    runs = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [run.communicate(timeout=30)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sorted(bool(text) for text in printed) == [False, True]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"postgresql://app:hunter2@127.0.0.1:{free_port()}/d", "Connection refused"),
        ("mysql://app:hunter2@127.0.0.1/d", "DATABASE_URL must be"),
        ("postgresql://app:hunter2/@x:y@127.0.0.1/d", "DATABASE_URL must be"),
        ("sqlite:////proc/nowhere/records.db", "No such file or directory"),
    ],
    ids=["away", "another kind", "a slash in the password", "no folder"],
)
def test_what_cannot_be_migrated_is_one_line_without_secrets(
    url: str, why: str, refusal: Callable[[Settings], str]
) -> None:
    """Nothing starts then, and the line says why."""
    line = refusal(Settings(_env_file=None, database_url=url))
    assert why in line
    assert "\n" not in line and "hunter2" not in line


def test_the_stack_does_not_start_without_its_tables(tmp_path: Path) -> None:
    """`make up` says what the migration said, and no process is left behind."""
    settings = Settings(_env_file=None, database_url=f"postgresql://app@127.0.0.1:{free_port()}/d", run_dir=tmp_path)
    ports = {name: str(free_port()) for name in PORTS}
    command = [sys.executable, "-m", "project.native"]
    environment = os.environ | _environment(settings) | ports
    run = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=30)
    assert run.returncode == 1
    assert run.stderr.startswith("glassqueue: cannot migrate PostgreSQL database d at 127.0.0.1:")
    assert run.stderr.count("\n") == 1 and not run.stdout


def test_a_failed_migration_changes_nothing(
    on_postgres: Settings, postgres: Postgres, refusal: Callable[[Settings], str]
) -> None:
    """All of it is one transaction."""
    postgres.execute("CREATE TABLE records (id int)", on_postgres.database_owner)
    assert 'relation "records" already exists' in refusal(on_postgres)
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert postgres.execute(tables, on_postgres.database_owner) == [("records",)]


def test_the_check_says_how_the_database_is(settings: Settings) -> None:
    """The check distinguishes a missing, an empty and a migrated database, and shows no password."""
    away = Settings(_env_file=None, database_url=f"postgresql://app:{PASSWORD}@127.0.0.1:{free_port()}/d")
    refused = check(away)
    assert refused.state == "failed" and "Connection refused" in refused.found and PASSWORD not in str(refused)
    settings.run_dir.mkdir(exist_ok=True)
    owner = Settings(_env_file=None, run_dir=settings.run_dir, database_url=settings.database_owner)
    empty = check(owner)
    assert empty.state == "failed" and "migration none" in empty.found and "start the stack again" in empty.cure
    assert check(Settings(_env_file=None, database_url="redis://x/1")).state == "failed"
    migrate(settings)
    assert check(settings).state == "ok"


def test_a_database_of_newer_code_stops_the_start_with_a_sentence(
    migrated: Settings, refusal: Callable[[Settings], str]
) -> None:
    """It names the migration and what to do; the check says the same, and so does a database with two heads."""
    _execute(migrated, "UPDATE alembic_version SET version_num = '0042'")
    line = refusal(migrated)
    assert "the database was migrated by newer code, to migration 0042; start that version, or restore a backup" in line
    assert "\n" not in line
    found = check(migrated)
    assert (found.state, "to migration 0042" in found.found) == ("failed", True)
    assert found.cure.startswith("start that version, or restore a backup made before")
    _execute(migrated, "INSERT INTO alembic_version VALUES ('0043')")
    assert "to migration 0042, 0043" in check(migrated).found


@pytest.mark.parametrize("harm", ["ALTER TABLE records RENAME COLUMN task TO work", "DROP TABLE records"])
def test_tables_of_another_version_are_reported_as_such(migrated: Settings, harm: str) -> None:
    """A job is tried again, as after other failures of the database, and its error says what to do."""
    _execute(migrated, harm)
    message = "do not match this version; run `make doctor` for the fix"
    with pytest.raises(DatabaseMismatch, match=message), transaction(migrated.database) as session:
        page(session, 10)
    found = check(migrated)
    assert found.state == "failed" and found.cure.endswith("restore a backup (docs/how-to/back-up.md)"), found


def _execute(settings: Settings, command: str) -> None:
    with make_engine(settings.database_owner, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql(command)
