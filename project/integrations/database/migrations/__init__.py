"""Run Alembic's migrations; versions/ contains the steps to the current models."""

from collections import Counter
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
LOCK = 7_305_771  # an arbitrary number: the advisory lock for migrating or restoring this database
NO_MIGRATION = "{} is not a backup of this stack: its database was never migrated"
NEWER = "start that version, or restore a backup made before the migration (docs/how-to/back-up.md)"


class NewerDatabase(Exception):
    """Newer code has made the database or the backup: this version does not have its migration."""


def bring_up_to_date(connection: Connection, settings: Settings) -> bool:
    """Run the missing migrations and, on PostgreSQL, grant the roles; return whether migrations were missing.

    Everything happens in the connection's transaction. Raise NewerDatabase before changing anything.
    """
    begin(connection)
    missing = bool(behind(connection))
    if missing:
        _upgrade(connection)
    if connection.dialect.name == "postgresql":
        roles.grant(connection, settings.database, settings.database_reader)
    return missing


def begin(connection: Connection) -> None:
    """Begin a migrating transaction, which holds a lock until its end; wait for other ones."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        return
    # this setting is permanent: with a write-ahead log, readers do not wait for the writer
    connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    # Alembic changes a table by copying it and dropping the original. With the defaults of these two, that would
    # delete rows that refer to the table, and fail if a view uses it
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.exec_driver_sql("PRAGMA legacy_alter_table=ON")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def behind(connection: Connection) -> str:
    """Describe the missing migrations, or return "" if there are none; raise NewerDatabase for unknown migrations."""
    current = set(MigrationContext.configure(connection).get_current_heads())
    refuse_newer(current, "the database was migrated by newer code, to migration {}")
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    return "" if current == {newest} else f"it is at migration {_names(current) or 'none'}, and the newest is {newest}"


def refuse_newer(revisions: Iterable[str], message: str) -> None:
    """Raise NewerDatabase if this version lacks one of the revisions; {} in *message* is replaced by them."""
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if unknown := set(revisions) - known:
        raise NewerDatabase(message.format(_names(unknown)))


def _upgrade(connection: Connection) -> None:
    """Run the missing migrations; raise ValueError if rows would refer to rows that are missing afterwards."""
    before = _dangling(connection)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    for table, parent in _dangling(connection) - before:
        raise ValueError(f"the migration would leave a row of the table {table} without its row of {parent}")


def _dangling(connection: Connection) -> Counter[tuple[str, str]]:
    """Count the rows of each table that refer to missing rows of another one: SQLite lets other programs leave some."""
    if connection.dialect.name == "postgresql":
        return Counter()
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check")
    return Counter((table, parent) for table, _, parent, _ in rows)


def _names(revisions: Iterable[str]) -> str:
    return ", ".join(sorted(revisions))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(folder).replace("%", "%%") for folder in VERSIONS))
    return config
