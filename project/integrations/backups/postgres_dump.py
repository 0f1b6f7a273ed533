"""Write an archive of a PostgreSQL database with pg_dump, which must not be older than the server.

Data goes through a pipe. If this process is killed, the pipe breaks and pg_dump ends too.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from project.check import CHECK_TIMEOUT, Check
from project.integrations.backups.archives import BackupError, Report
from project.integrations.database.engine import parse
from project.settings import Settings

CHUNK = 2**20  # bytes
CONNECT_TIMEOUT = 10  # seconds
LOCK_WAIT = "30s"
# error messages of the programs for which a retry does not help
FINAL = ("permission denied", "password authentication failed")
TOO_OLD = "server version mismatch"
CURE = "install PostgreSQL's client in the server's version or newer (Debian: postgresql-client)"


class PostgresFailed(Exception):
    """PostgreSQL or one of its programs failed; a retry may help, because the server may have been unavailable."""


def dump(url: str, path: Path, report: Report) -> None:
    """Write a dump in PostgreSQL's custom format to *path*."""
    options = ("--format=custom", f"--lock-wait-timeout={LOCK_WAIT}")
    with _running("pg_dump", url, *options, stdout=subprocess.PIPE) as process, path.open("wb") as file:
        while chunk := process.stdout.read(CHUNK):
            file.write(chunk)
            report(0, f"{file.tell() / 1e6:.1f} MB")  # pg_dump does not know the total
        report(1, f"{file.tell() / 1e6:.1f} MB")


def check(settings: Settings) -> Check:
    """Check that pg_dump is installed and not older than the server."""
    url = settings.database
    try:
        if parse(url).get_backend_name() == "sqlite":
            return Check("pg_dump", "off", "not needed: the database is SQLite")
        ours = re.search(r"\d+", _output("pg_dump", "--version"))
        where, password = _connection(url)
        server = _output("psql", where, "--no-psqlrc", "-Atc", "SHOW server_version_num", password=password)
    except ValueError as error:
        return Check("pg_dump", "failed", str(error), "correct DATABASE_URL in .env")
    except BackupError as error:
        return Check("pg_dump", "failed", str(error), CURE)
    except PostgresFailed as error:
        reason = str(error).partition("\n")[0]
        return Check("pg_dump", "failed", reason, "start PostgreSQL, or correct DATABASE_URL")
    found = f"pg_dump {ours[0]}, server {int(server) // 10000}" if ours else ""
    if not ours or int(ours[0]) < int(server) // 10000:
        return Check("pg_dump", "failed", f"{found}: too old", CURE)
    return Check("pg_dump", "ok", found)


@contextmanager
def _running(program: str, url: str, *options: str, **pipe: Any) -> Iterator[Any]:
    """Run a program on a database; if it fails, raise PostgresFailed or BackupError with its output."""
    with tempfile.TemporaryFile() as said:
        try:
            where, password = _connection(url)
            ours = environment(password)
            process = subprocess.Popen([program, *options, where], env=ours, stderr=said, **pipe)
        except FileNotFoundError:
            raise BackupError(f"{program} is not installed: {CURE}") from None
        with process:
            try:
                yield process
                process.wait()  # here, so that a time limit can interrupt it
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            said.seek(0)
            raise _failure(program, said.read(2000).decode(errors="replace").strip())


def _failure(program: str, said: str) -> Exception:
    reason = f"{program}: {said}"
    if TOO_OLD in said:
        return BackupError(f"{program} is older than the server: {CURE} ({' '.join(said.split())})")
    return BackupError(reason) if any(words in reason for words in FINAL) else PostgresFailed(reason)


def _output(*command: str, password: str = "") -> str:
    """Return the output of a program, within CHECK_TIMEOUT."""
    ours, limit = environment(password, CHECK_TIMEOUT), CHECK_TIMEOUT
    try:
        done = subprocess.run(command, env=ours, timeout=limit, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BackupError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise PostgresFailed(f"PostgreSQL did not answer {command[0]} within {limit} s") from None
    if done.returncode:
        raise PostgresFailed(done.stderr.strip())
    return done.stdout.strip()


def _connection(url: str) -> tuple[str, str]:
    """Return the connection option for a database, as SQLAlchemy parses its URL, and the password."""
    parsed = parse(url)
    _, parts = parsed.get_dialect()().create_connect_args(parsed)
    password = str(parts.pop("password", ""))
    return f"--dbname={make_conninfo(**parts)}", password


def environment(password: str = "", connect_timeout: int = CONNECT_TIMEOUT) -> dict[str, str]:
    """Return the environment of a program, with the password, because other users can read command lines."""
    # LC_ALL: error messages in English, as in FINAL
    ours = {"PGPASSWORD": password, "PGCONNECT_TIMEOUT": str(connect_timeout), "LC_ALL": "C"}
    return os.environ | ours
