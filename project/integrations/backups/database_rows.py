"""Count the rows of a database, to compare one backup with the next."""

from sqlalchemy import Connection, NullPool, text
from sqlalchemy.exc import SQLAlchemyError

from project.errors import DatabaseUnavailable
from project.integrations.database.engine import make_engine, reason

# without tables of extensions, and without unreadable tables, for which pg_dump reports its own error
_POSTGRESQL = """
SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND nspname !~ '^pg_|^information_schema$' AND has_table_privilege(c.oid, 'SELECT')
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""
_SQLITE = "SELECT 'main', name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
_NOT_COUNTED = "alembic_version"  # it always has one row


def count_rows(url: str) -> dict[str, int]:
    """Return the number of rows of each table."""
    engine = make_engine(url, statement_timeout=0, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            tables = connection.execute(text(_SQLITE if engine.dialect.name == "sqlite" else _POSTGRESQL)).all()
            return {
                f"{schema}.{name}": _count(connection, schema, name) for schema, name in tables if name != _NOT_COUNTED
            }
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(f"cannot count the rows: {reason(error)}") from error


def _count(connection: Connection, schema: str, name: str) -> int:
    quote = connection.dialect.identifier_preparer.quote_identifier
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {quote(schema)}.{quote(name)}").scalar_one())
