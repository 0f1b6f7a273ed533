"""PostgreSQL by its own programs: pg_dump and pg_restore, which must not be older than the server.

Data goes through a pipe. When this process dies, its child has nobody to write to, or sees its input end early: it
ends too, and PostgreSQL takes back what it did.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from project.integrations.backups import BackupError, Report
from project.integrations.checks import CHECK_TIMEOUT, Check
from project.settings import Settings

CHUNK = 2**20  # bytes
CONNECT_TIMEOUT = 10  # seconds
LOCK_WAIT = "30s"
CURE = "install PostgreSQL's client in the server's version or a newer one (Debian: postgresql-client)"


class PostgresFailed(Exception):
    """One of the programs has ended with an error; trying again may help, as the server may have been away."""


def dump(url: str, path: Path, report: Report) -> None:
    """Write a dump in PostgreSQL's custom format to *path*."""
    options = ("--format=custom", f"--lock-wait-timeout={LOCK_WAIT}")
    with _running("pg_dump", url, *options, stdout=subprocess.PIPE) as process, path.open("wb") as file:
        while chunk := process.stdout.read(CHUNK):
            file.write(chunk)
            report(0, f"{file.tell() / 1e6:.1f} MB")  # of how many, pg_dump does not know
        report(1, f"{file.tell() / 1e6:.1f} MB")


def restore(url: str, path: Path, report: Report) -> None:
    """Replace what is in the dump, in one transaction; tables that are not in it stay as they are."""
    options = ("--clean", "--if-exists", "--no-owner", "--single-transaction")
    size = path.stat().st_size
    with path.open("rb") as file, _running("pg_restore", url, *options, stdin=subprocess.PIPE) as process:
        _feed(process.stdin, file, lambda done: report(done / size, f"{done / 1e6:.1f} MB"))


def check(settings: Settings) -> Check:
    """Tell whether pg_dump is there and not older than the server."""
    url = settings.database
    if url.startswith("sqlite"):
        return Check("pg_dump", "off", "not needed: the database is SQLite")
    try:
        ours = re.search(r"\d+", _output("pg_dump", "--version"))
        server = _output("psql", *_dbname(url), "--no-psqlrc", "-Atc", "SHOW server_version_num", url=url)
    except BackupError as error:
        return Check("pg_dump", "failed", str(error), CURE)
    except PostgresFailed as error:
        return Check("pg_dump", "failed", str(error), "see whether PostgreSQL runs, and DATABASE_URL")
    found = f"pg_dump {ours[0]}, server {int(server) // 10000}" if ours else ""
    if not ours or int(ours[0]) < int(server) // 10000:
        return Check("pg_dump", "failed", f"{found}: too old", CURE)
    return Check("pg_dump", "ok", found)


def _feed(pipe: IO[bytes], file: IO[bytes], progress: Callable[[int], None]) -> None:
    with suppress(BrokenPipeError), pipe:  # the program says itself why it does not read on
        while chunk := file.read(CHUNK):
            pipe.write(chunk)
            progress(file.tell())


@contextmanager
def _running(program: str, url: str, *options: str, **pipe: Any) -> Iterator[Any]:
    """Run a program on the database; raise PostgresFailed with what it said when it does not end well."""
    with tempfile.TemporaryFile() as said:
        try:
            command = [program, *options, *_dbname(url)]
            process = subprocess.Popen(command, env=_environment(url, CONNECT_TIMEOUT), stderr=said, **pipe)
        except FileNotFoundError:
            raise BackupError(f"there is no {program}: {CURE}") from None
        with process:
            try:
                yield process
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            said.seek(0)
            raise PostgresFailed(f"{program}: {said.read(2000).decode(errors='replace').strip()}")


def _output(*command: str, url: str = "") -> str:
    """Return what a program prints within the time of a check."""
    environment, limit = _environment(url, CHECK_TIMEOUT), CHECK_TIMEOUT
    try:
        done = subprocess.run(command, env=environment, timeout=limit, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BackupError(f"there is no {command[0]}") from None
    except subprocess.TimeoutExpired:
        raise PostgresFailed(f"PostgreSQL did not answer {command[0]} within {limit} s") from None
    if done.returncode:
        raise PostgresFailed(done.stderr.strip())
    return done.stdout.strip()


def _dbname(url: str) -> tuple[str]:
    """Return the option that says where the database is: SQLAlchemy's URL as libpq reads it, without the password."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return (f"--dbname={parts._replace(scheme='postgresql', netloc=user.partition(':')[0] + at + host).geturl()}",)


def _environment(url: str, connect_timeout: int) -> dict[str, str]:
    """Return the environment of a program: the password is there, as everyone can see a command line."""
    password = unquote(urlsplit(url).password or "")
    return {**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": str(connect_timeout)}
