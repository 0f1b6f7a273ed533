"""Who may do what in PostgreSQL: the owner makes tables, the app reads and writes rows, the reader only reads them."""

from typing import Any

from psycopg import sql
from sqlalchemy import URL, Connection

from project.integrations.database import parse

READ = (
    "GRANT CONNECT ON DATABASE {database} TO {role}",
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
    "GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
)
WRITE = (
    "GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}",
    "REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {role}",  # which only the owner changes
)
# by default everybody may connect to any database and, before PostgreSQL 15, make tables in it
NOBODY = ("REVOKE ALL ON DATABASE {database} FROM PUBLIC", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")


def grant(connection: Connection, app: str, reader: str) -> None:
    """Let the roles of two URLs do their part, and make them if the owner, who is connected, may; else they must exist.

    A URL that names the owner itself changes nothing: then there is one role for all.
    """
    owner = connection.engine.url
    wanted = [(parse(reader), READ), (parse(app), (*READ, *WRITE))]
    others = [(url, commands) for url, commands in wanted if url.username != owner.username]
    driver: Any = connection.connection.driver_connection
    if others:
        _run(driver, NOBODY, owner)
    for url, commands in others:
        if _may_make_roles(driver):
            _make(driver, url)
        _run(driver, commands, url)


def _may_make_roles(driver: Any) -> bool:
    row = driver.execute("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user").fetchone()
    return bool(row[0])


def _make(driver: Any, url: URL) -> None:
    """Make a role that can log in, or give it the password of the URL; the server is told its hash only."""
    name = str(url.username)
    known = driver.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone() is not None
    hashed = driver.pgconn.encrypt_password(str(url.password or "").encode(), name.encode(), b"scram-sha-256")
    command = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}" if known else "CREATE ROLE {} LOGIN PASSWORD {}")
    driver.execute(command.format(sql.Identifier(name), sql.Literal(hashed.decode())))


def _run(driver: Any, commands: tuple[str, ...], url: URL) -> None:
    names = {"database": sql.Identifier(str(url.database)), "role": sql.Identifier(str(url.username))}
    for command in commands:
        driver.execute(sql.SQL(command).format(**names))
