"""What each role may do in a real PostgreSQL, and what it may not."""

from datetime import UTC, datetime

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from project.integrations.database import history
from project.integrations.database.engine import transaction
from project.migrate import migrate
from project.settings import Settings
from tests.integration.database.conftest import empty_database
from tests.support.postgres import PASSWORD, Postgres

MAKES = [
    "CREATE TABLE t (id int)",
    "ALTER TABLE records ADD COLUMN extra int",
    "DROP TABLE records",
    "TRUNCATE records",
]
MAKES += ["CREATE SCHEMA s", "CREATE TEMPORARY TABLE t (id int)", "CREATE ROLE r", "DELETE FROM alembic_version"]
WRITES = ["INSERT INTO records SELECT * FROM records", "UPDATE records SET attempts = 2", "DELETE FROM records"]


@pytest.fixture(scope="module")
def migrated(postgres: Postgres) -> Settings:
    """A database with its tables and its roles."""
    settings = empty_database(postgres)
    migrate(settings)
    return settings


@pytest.mark.parametrize("command", MAKES)
def test_the_app_can_change_rows_only(migrated: Settings, postgres: Postgres, command: str) -> None:
    """An attacker with a consumer's credentials can neither drop nor create anything."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        postgres.execute(command, migrated.database)


def test_the_app_can_do_what_jobs_need(migrated: Settings) -> None:
    """Insert, update, select, delete."""
    with transaction(migrated.database) as session:
        history.start(session, "one", "hello", "consumer")
        history.finish(session, "one")
        assert len(history.page(session, 10)) == 1
    assert history.purge(migrated.database, datetime.now(UTC)) == 1


@pytest.mark.parametrize("command", MAKES + WRITES)
def test_the_reader_can_change_nothing(migrated: Settings, postgres: Postgres, command: str) -> None:
    """Neither rows nor tables."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        postgres.execute(command, migrated.database_reader)


def test_the_reader_can_read(migrated: Settings) -> None:
    """All rows."""
    with transaction(migrated.database_reader) as session:
        assert history.page(session, 10) == []


def test_other_roles_cannot_connect(migrated: Settings, postgres: Postgres) -> None:
    """By default PostgreSQL lets every role connect to every database."""
    postgres.execute(f"CREATE ROLE stranger LOGIN PASSWORD '{PASSWORD}'")
    database = migrated.database.rpartition("/")[2]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        postgres.execute("SELECT 1", postgres.url_of("stranger", database=database))


def test_a_new_password_is_given_at_the_next_start(migrated: Settings, postgres: Postgres) -> None:
    """In an existing database too; one cannot log in with the old one any more, nor read either in the server's log."""
    changed = migrated.database.replace(PASSWORD, "a-new-one")
    migrate(migrated.model_copy(update={"database_url": SecretStr(changed)}))
    assert postgres.execute("SELECT 1", changed) == [(1,)]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        postgres.execute("SELECT 1", migrated.database)


def test_an_owner_without_createrole_grants_to_existing_roles(postgres: Postgres) -> None:
    """As in a shared database with an administrator of its own."""
    settings = empty_database(postgres)
    urls = (settings.database_owner, settings.database, settings.database_reader)
    owner, *others = [make_url(url).username for url in urls]
    postgres.execute(f"ALTER ROLE {owner} NOCREATEROLE")
    with pytest.raises(psycopg.errors.UndefinedObject):
        migrate(settings)
    for name in others:
        postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    assert migrate(settings)
    assert postgres.execute("SELECT * FROM records", settings.database_reader) == []


def test_an_owner_that_owns_nothing_is_refused(postgres: Postgres) -> None:
    """Such as the app's role: it can see that nothing is missing, but it cannot grant anything."""
    settings = empty_database(postgres)
    migrate(settings)
    app = settings.model_copy(update={"database_owner_url": settings.database_url})
    with pytest.raises(
        ValueError, match=r"DATABASE_OWNER_URL: .*_app owns no table here; name the role that owns them"
    ):
        migrate(app)


def test_objects_of_other_owners_are_left_unchanged(postgres: Postgres) -> None:
    """In a database that others use too: neither passwords of roles nor the rights of everybody are changed."""
    settings = empty_database(postgres)
    database = settings.database.rpartition("/")[2]
    for url in (settings.database, settings.database_reader):
        postgres.execute(f"CREATE ROLE {make_url(url).username} LOGIN PASSWORD 'of-another'")
    # an administrator with all privileges
    owner = SecretStr(postgres.url_of(database=database))
    migrate(settings.model_copy(update={"database_owner_url": owner}))
    theirs = settings.database_reader.replace(PASSWORD, "of-another")
    assert postgres.execute("SELECT * FROM records", theirs) == []
    everybody = f"SELECT has_database_privilege('pg_monitor', '{database}', 'CONNECT')"
    assert postgres.execute(everybody) == [(True,)]


@pytest.mark.parametrize("name", ["database_url", "database_reader_url"])
def test_a_url_without_a_user_is_refused(postgres: Postgres, name: str) -> None:
    """The role would be one with the name None."""
    settings = empty_database(postgres)
    url = make_url(settings.database)._replace(username=None, password=None)
    nobody = SecretStr(url.render_as_string(hide_password=False))
    with pytest.raises(ValueError, match="must name a user"):
        migrate(settings.model_copy(update={name: nobody}))


def test_one_role_for_all_works_too(postgres: Postgres) -> None:
    """With DATABASE_URL alone, which is then the owner's."""
    owner, *_ = postgres.new_database()
    assert migrate(Settings(_env_file=None, database_url=owner))
    assert postgres.execute("SELECT * FROM records", owner) == []
