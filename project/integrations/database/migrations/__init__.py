"""Alembic's migrations: versions/ says how the database came to be what the models are."""

from collections.abc import Iterable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from project.integrations.database import roles
from project.settings import Settings

FOLDER = Path(__file__).parent
VERSIONS = [FOLDER / "versions"]
LOCK = 7_305_771  # an arbitrary number: the advisory lock of whoever migrates or restores this database
NEWER = "start that version, or restore a backup made before (docs/how-to/back-up.md)"


class NewerDatabase(Exception):
    """A database or a backup is at a migration that this version does not have: newer code made it."""


def bring_up_to_date(connection: Connection, settings: Settings) -> bool:
    """Run the missing migrations and, on PostgreSQL, grant the roles; return whether migrations were missing.

    All of it happens in the connection's transaction. Raise NewerDatabase before anything is changed.
    """
    begin(connection)
    lacking = bool(behind(connection))
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if connection.dialect.name == "postgresql":
        roles.grant(connection, settings.database, settings.database_reader)
    else:
        _check_foreign_keys(connection)
    return lacking


def begin(connection: Connection) -> None:
    """Begin a transaction that migrates; it waits for others that do, as the lock lasts until its end."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        return
    # permanent: with a write-ahead log, readers do not wait for the writer
    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    # Alembic changes a table by copying it and dropping the original: with the defaults of these two, that would
    # delete rows that refer to it, and fail if there is a view of it
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.exec_driver_sql("PRAGMA legacy_alter_table=ON")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def behind(connection: Connection) -> str:
    """Say which migrations the database lacks, or return "" if it has all; raise NewerDatabase if it has more."""
    there = set(MigrationContext.configure(connection).get_current_heads())
    refuse_newer(there, "the database was migrated by newer code, to migration {}")
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    return "" if there == {newest} else f"it is at migration {_names(there) or 'none'}, and the newest is {newest}"


def refuse_newer(revisions: Iterable[str], message: str) -> None:
    """Raise NewerDatabase with *message*, {} in it being the revisions, if this version does not have all of them."""
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if unknown := set(revisions) - known:
        raise NewerDatabase(message.format(_names(unknown)))


def _check_foreign_keys(connection: Connection) -> None:
    if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise ValueError(f"a row of the table {broken[0]} refers to a row of {broken[2]} that is not there")


def _names(revisions: Iterable[str]) -> str:
    return ", ".join(sorted(revisions))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(folder).replace("%", "%%") for folder in VERSIONS))
    return config
