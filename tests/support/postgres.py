"""A real PostgreSQL of our own, as Debian packages it."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.support.ports import free_port
from tests.support.processes import Worker
from tests.support.wait import wait_until

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
MISSING = "PostgreSQL is not installed (Debian: postgresql)"
PASSWORD = "canary-of-postgres"


def program(name: str) -> str:
    """Return the path of a program of the newest PostgreSQL; most are not on PATH."""
    return str(FOLDERS[-1] / name)


class Postgres(Worker):
    """A server of its own in a folder of its own; it does not run until it is started."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder, self.log, self.port = folder, log, free_port()
        self._numbers = count(1)
        # as root PostgreSQL refuses to run: Debian's package makes this user for it
        self._user = "postgres" if os.geteuid() == 0 else None
        self._data = folder / "data"
        (folder / "password").write_text(PASSWORD)
        if self._user:
            shutil.chown(folder, self._user)
        auth = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={folder}/password"]
        self._run("initdb", f"--pgdata={self._data}", *auth, "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")

    @property
    def url(self) -> str:
        """The URL of the database `postgres` for the superuser."""
        return self.url_of()

    def url_of(self, role: str = "postgres", password: str = PASSWORD, database: str = "postgres") -> str:
        """Return the URL of a database for a role."""
        return f"postgresql+psycopg://{role}:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> tuple[str, str, str]:
        """Create an empty database; return its URLs for the owner, who may create roles, the app and the reader."""
        name = f"d{next(self._numbers)}"
        self.execute(f"CREATE ROLE {name}_owner LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
        self.execute(f"CREATE DATABASE {name} OWNER {name}_owner")
        owner, app, reader = (self.url_of(f"{name}_{role}", database=name) for role in ("owner", "app", "reader"))
        return owner, app, reader

    def execute(self, command: str, url: str = "") -> list[Any]:
        """Run a command as the superuser or as the user in the URL; return its rows."""
        with psycopg.connect((url or self.url).replace("+psycopg", ""), autocommit=True) as connection:
            cursor = connection.execute(command)
            return list(cursor.fetchall()) if cursor.description else []

    def start(self) -> "Postgres":
        """Start, or start again after a kill, and wait until it takes connections."""
        command = [program("postgres"), "-D", str(self._data), "-p", str(self.port), "-k", str(self.folder)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=16MB"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd="/", user=self._user, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self.answers, what="PostgreSQL answers")
        return self

    def kill(self) -> None:
        """Kill the server, and wait for its children too: while one lives, it cannot start again."""
        children = psutil.Process(self.process.pid).children() if self.process.poll() is None else []
        super().kill()
        psutil.wait_procs(children, 10)

    def signal_all(self, name: str) -> None:
        """Send a signal to the server and its children, each of which has a session of its own."""
        server = psutil.Process(self.process.pid)
        for process in [server, *server.children()]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(getattr(signal, f"SIG{name}"))

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        command = [program("pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, name: str, *arguments: str) -> None:
        command = [program(name), *arguments]
        subprocess.run(command, cwd="/", user=self._user, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def running_postgres(folder: Path) -> Iterator[Postgres]:
    """Run a PostgreSQL that logs to *folder*; without one a laptop skips, CI fails.

    Its data is elsewhere, as pytest's folders are for their owner only and PostgreSQL does not run as root.
    """
    if not FOLDERS:
        pytest.fail(MISSING) if os.environ.get("CI") == "true" else pytest.skip(MISSING)
    with tempfile.TemporaryDirectory(prefix="postgres-") as data:
        postgres = Postgres(Path(data), folder / "postgres.log")
        try:
            yield postgres.start()
        finally:
            postgres.kill()
