"""Grant the roles in PostgreSQL: the owner creates tables, the app reads and writes rows, the reader only reads."""

from typing import Any

from psycopg import sql
from sqlalchemy import URL, Connection

from project.integrations.database.engine import parse

READ = (
    "GRANT CONNECT ON DATABASE {database} TO {role}",
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT SELECT ON {tables} TO {role}",
    "GRANT SELECT ON {sequences} TO {role}",
)
WRITE = (
    "GRANT INSERT, UPDATE, DELETE ON {tables} TO {role}",
    "GRANT USAGE ON {sequences} TO {role}",
    "REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}",  # only the owner changes it
)
# not all tables in the schema: others may own some, and only their owner can grant privileges on them
OWN = """
SELECT relkind = 'S', relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind ~ '[rpvmS]' AND pg_has_role(relowner, 'USAGE')
"""
# by default every role may connect to any database and, before PostgreSQL 15, create tables in it
REVOKE_PUBLIC = ("REVOKE ALL ON DATABASE {database} FROM PUBLIC", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")


def grant(connection: Connection, app: str, reader: str) -> None:
    """Grant the roles of two URLs their privileges; create them if the connected owner may, else they must exist.

    A URL that names the owner itself is skipped: then one role serves all purposes. A role that someone else has
    created keeps its password. The privileges of PUBLIC change only if a role is created here. Raise ValueError if a
    URL names no user.
    """
    owner = connection.engine.url
    wanted = [(parse(reader), READ), (parse(app), (*READ, *WRITE))]
    others = [(url, commands) for url, commands in wanted if url.username != owner.username]
    driver: Any = connection.connection.driver_connection
    if not all(url.username for url, _ in others):
        raise ValueError("DATABASE_URL and DATABASE_READER_URL must name a user, as DATABASE_OWNER_URL does")
    created = [_create(driver, url) for url, _ in others] if _may_create_roles(driver) else []
    if any(created):
        _run(driver, REVOKE_PUBLIC, owner)
    for url, commands in others:
        _run(driver, commands, url)


def _may_create_roles(driver: Any) -> bool:
    row = driver.execute("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user").fetchone()
    return bool(row[0])


def _create(driver: Any, url: URL) -> bool:
    """Create a role that can log in, or set the password of one that was created here; return whether it is new.

    Only the password's hash is sent to the server.
    """
    name, mark = str(url.username), f"made by Glassqueue for the database {url.database}"
    comment = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s"
    known = driver.execute(comment, [name]).fetchone()
    if known and known[0] != mark:
        return False
    role = sql.Identifier(name)
    hashed = driver.pgconn.encrypt_password(str(url.password or "").encode(), name.encode(), b"scram-sha-256")
    command = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}" if known else "CREATE ROLE {} LOGIN PASSWORD {}")
    driver.execute(command.format(role, sql.Literal(hashed.decode())))
    driver.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(role, sql.Literal(mark)))
    return known is None


def _run(driver: Any, commands: tuple[str, ...], url: URL) -> None:
    names: dict[str, sql.Composable] = {
        "database": sql.Identifier(str(url.database)),
        "role": sql.Identifier(str(url.username)),
    }
    own: dict[bool, list[sql.Composable]] = {False: [], True: []}
    for is_sequence, name in driver.execute(OWN):
        own[is_sequence].append(sql.Identifier("public", name))
    if not own[False]:
        raise ValueError(f"DATABASE_OWNER_URL: {driver.info.user} owns no table here; name the role that owns them")
    names |= {
        "tables": sql.SQL(", ").join(own[False]),
        "sequences": sql.SQL("SEQUENCE ") + sql.SQL(", ").join(own[True]),
    }
    for command in commands:
        driver.execute(sql.SQL(command).format(**names))
