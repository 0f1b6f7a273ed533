"""Replace a PostgreSQL database by an archive: clean, restore, migrate and grant in one transaction.

The schemas in the backup are emptied first, so objects that it lacks are gone afterwards. Extensions, other schemas,
and objects of roles that the owner is not a member of stay unchanged.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, NullPool
from sqlalchemy.exc import DBAPIError

from project.integrations.backups.archives import BackupError, Report
from project.integrations.backups.postgres_archive import Archive
from project.integrations.backups.postgres_dump import PostgresFailed
from project.integrations.database import migrations
from project.integrations.database.engine import make_engine, reason
from project.settings import Settings

LOCK_WAIT = 30  # seconds that a restore waits for other users of a table, which time out sooner unless they hang
CANCEL_TIMEOUT = 5  # seconds
LINES = 1000  # sent at a time
BUSY = (
    f"nothing was changed: another connection has used a table for more than {LOCK_WAIT} s; SELECT * FROM "
    "pg_stat_activity names it; end it, or stop the consumers, and restore again"
)
# independent objects in a schema, neither extensions nor parts of other objects or of extensions
_OBJECTS = """
SELECT o.type, o.identity FROM pg_depend d, pg_identify_object(d.classid, d.objid, d.objsubid) o
WHERE d.refclassid = 'pg_namespace'::regclass AND d.deptype = 'n'
AND o.type NOT IN ('default acl', 'extension', 'statistics object')
AND d.refobjid = (SELECT oid FROM pg_namespace WHERE nspname = %s)
AND NOT EXISTS (
    SELECT FROM pg_depend p WHERE p.classid = d.classid AND p.objid = d.objid AND p.deptype IN ('a', 'e', 'i'))
AND ((SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR EXISTS (
    SELECT FROM pg_shdepend s WHERE s.classid = d.classid AND s.objid = d.objid AND s.deptype = 'o'
    AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pg_has_role(s.refobjid, 'USAGE')))
ORDER BY o.type = 'table' DESC
"""
_LARGE_OBJECTS = "SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE pg_has_role(lomowner, 'USAGE')"
_TABLES_OF_EXTENSIONS = """
SELECT o.identity FROM pg_depend d, pg_identify_object(d.classid, d.objid, 0) o
WHERE d.deptype = 'e' AND o.type = 'table'
"""
# objects that users create, and would miss
_VISIBLE = """
SELECT type || ' ' || identity FROM (
    SELECT 'pg_class'::regclass AS class, oid, relnamespace AS schema FROM pg_class WHERE relkind ~ '[rpvm]'
    UNION ALL SELECT 'pg_constraint'::regclass, oid, connamespace FROM pg_constraint WHERE contype = 'f'
) found JOIN pg_namespace n ON n.oid = schema, pg_identify_object(class, found.oid, 0)
WHERE nspname !~ '^pg_|^information_schema$'
"""


def restore(settings: Settings, path: Path, report: Report) -> dict[str, Any]:
    """Restore an archive atomically; return the dropped objects that it lacks, and the skipped privileges."""
    archive = Archive(path)
    message = (
        f"{path.name} was made by newer code, at migration {{}}: start that version and restore the backup with it"
    )
    if not (revisions := archive.revisions()):
        raise BackupError(migrations.NO_MIGRATION.format(path.name))
    migrations.refuse_newer(revisions, message)
    engine = make_engine(settings.database_owner, statement_timeout=0, poolclass=NullPool)
    with _explained_errors(), engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        with _cancelled_on_interrupt(connection, driver):
            driver.execute(f"SET lock_timeout = '{LOCK_WAIT}s'")
            migrations.begin(connection)
            before = _visible(driver)
            _clean(driver, {"public", *archive.schemas})
            _fill(driver, archive, report)
            skipped = _grant(driver, archive)
            driver.execute(f"RESET ALL; SET lock_timeout = '{LOCK_WAIT}s'")
            migrations.bring_up_to_date(connection, settings)
            dropped = sorted(before - _visible(driver))
    report(1, "restored and migrated")
    return {"dropped": dropped, "skipped_rights": skipped}


def _clean(driver: Any, schemas: set[str]) -> None:
    for schema in sorted(schemas):
        for kind, identity in driver.execute(_OBJECTS, [schema]).fetchall():
            # both come from the catalogue, which quotes them
            driver.execute(f"DROP {kind} IF EXISTS {identity} CASCADE".encode())
    driver.execute(_LARGE_OBJECTS)


def _fill(driver: Any, archive: Archive, report: Report) -> None:
    existing = _existing(driver)
    # extensions that exist stay, with the rows of their tables
    kept = tuple(f"COPY {table} ".encode() for (table,) in driver.execute(_TABLES_OF_EXTENSIONS))
    driver.execute(archive.section("pre-data", existing))
    done = 0
    with archive.rows() as commands:
        for command, rows in commands:
            if not command.startswith(b"COPY "):
                driver.execute(command)
                continue
            report(done / max(archive.tables, 1), f"table {done + 1} of {archive.tables}")
            if command.startswith(kept):
                deque(rows, maxlen=0)  # skip them
            else:
                _copy(driver, command, rows)
            done += 1
    driver.execute(archive.section("post-data", existing))


def _copy(driver: Any, command: bytes, rows: Iterator[bytes]) -> None:
    with driver.cursor().copy(command) as copy:
        while lines := list(islice(rows, LINES)):
            copy.write(b"".join(lines))


def _existing(driver: Any) -> list[str]:
    """Return the beginnings of entries for schemas and extensions that already exist."""
    schemas = [f"SCHEMA - {name} " for (name,) in driver.execute("SELECT nspname FROM pg_namespace")]
    extensions = [f"EXTENSION - {name} " for (name,) in driver.execute("SELECT extname FROM pg_extension")]
    return [*schemas, *extensions, "COMMENT - EXTENSION "]  # only their owner may comment on extensions


def _grant(driver: Any, archive: Archive) -> list[str]:
    """Grant the privileges in the backup; return those that failed because a role does not exist."""
    skipped = []
    for command in archive.rights():
        try:
            with driver.transaction():  # a savepoint
                driver.execute(command)
        except psycopg.ProgrammingError as error:
            skipped.append(f"{command.decode(errors='replace')} ({reason(error)})")
    return skipped


def _visible(driver: Any) -> set[str]:
    return {name for (name,) in driver.execute(_VISIBLE)}


@contextmanager
def _cancelled_on_interrupt(connection: Connection, driver: Any) -> Iterator[None]:
    """Cancel the running command, and with it the transaction, if the block is interrupted."""
    try:
        yield
    except BaseException:
        if driver.info.transaction_status == TransactionStatus.ACTIVE:
            driver.cancel_safe(timeout=CANCEL_TIMEOUT)
            connection.invalidate()
        raise


@contextmanager
def _explained_errors() -> Iterator[None]:
    """Explain errors; after each of them the database is unchanged."""
    try:
        yield
    except (psycopg.Error, DBAPIError) as error:
        cause = getattr(error, "orig", None) or error
        if isinstance(cause, errors.LockNotAvailable | errors.DeadlockDetected):
            raise BackupError(BUSY) from error
        if isinstance(cause, errors.InsufficientPrivilege):
            raise BackupError(f"{reason(error)}: the user of DATABASE_OWNER_URL needs this privilege") from error
        if type(cause) is psycopg.OperationalError:
            raise PostgresFailed(reason(error)) from error
        raise BackupError(f"the backup does not fit this database, which is unchanged: {reason(error)}") from error
