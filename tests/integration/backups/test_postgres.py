"""Backups of a PostgreSQL database, and restoring them into another one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
import pytest

from project.check import Check
from project.integrations.backups import postgres_dump, postgres_restore
from project.integrations.backups.archives import BackupError
from project.migrate import migrate
from project.settings import Settings
from tests.support.ports import free_port
from tests.support.postgres import PASSWORD, Postgres, program, running_postgres
from tests.support.wait import wait_until

ROWS = 20_000
TABLES = f"""
CREATE TABLE run (id serial PRIMARY KEY, job text UNIQUE, at timestamptz DEFAULT '2026-11-21 03:00+00');
INSERT INTO run (job) SELECT 'job ' || md5(n::text) FROM generate_series(1, {ROWS}) n;
CREATE VIEW last_run AS SELECT max(id) FROM run;
"""
EVERYTHING = "SELECT count(*) || ' ' || md5(string_agg(run::text, ',' ORDER BY id)) FROM run"
CHILD = """
import sys, time
from pathlib import Path
from project.integrations.backups import postgres_dump, postgres_restore
from project.settings import Settings

def report(fraction, text):
    print(text, flush=True)
    time.sleep(60)

_, what, url, path = sys.argv
if what == "dump":
    postgres_dump.dump(url, Path(path), report)
else:
    postgres_restore.restore(Settings(_env_file=None, database_url=url), Path(path), report)
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server with a database `full`, and an empty one for each test."""
    with running_postgres(tmp_path_factory.mktemp("postgres")) as postgres:
        _sql(postgres.url, 'CREATE DATABASE "full"')
        _sql(postgres.url_of(database="full"), TABLES)
        _migrate(postgres.url_of(database="full"))
        yield postgres


@pytest.fixture
def empty(postgres: Postgres) -> str:
    """Where an empty database is."""
    _sql(postgres.url, "DROP DATABASE IF EXISTS empty WITH (FORCE)", "CREATE DATABASE empty")
    return postgres.url_of(database="empty")


def _sql(url: str, *commands: str) -> str:
    options = [part for command in commands for part in ("--command", command)]
    command = [program("psql"), "--no-psqlrc", "-At", "--quiet", url.replace("+psycopg", ""), *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _check(url: str) -> Check:
    return postgres_dump.check(Settings(_env_file=None, database_url=url))


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block by a signal, as Celery's soft time limit does it."""

    def end(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _restore(url: str, path: Path) -> None:
    postgres_restore.restore(Settings(_env_file=None, database_url=url), path, _ignore)


def _migrate(url: str) -> None:
    migrate(Settings(_env_file=None, database_url=url))


def _ignore(fraction: float, text: str) -> None:
    """Take a report of progress."""


def test_what_is_restored_is_what_was_backed_up(postgres: Postgres, empty: str, tmp_path: Path) -> None:
    """All rows, keys, views and counters; into an empty database, and over what was changed since."""
    full, path, seen = postgres.url_of(database="full"), tmp_path / "full.dump", []
    postgres_dump.dump(full, path, lambda *report: seen.append(report))
    assert seen[-1] == (1, f"{path.stat().st_size / 1e6:.1f} MB")
    before = _sql(full, EVERYTHING)
    assert before.startswith(f"{ROWS} ")
    for _ in range(2):
        _restore(empty, path)
        assert _sql(empty, EVERYTHING) == before
        assert _sql(empty, "INSERT INTO run (job) VALUES ('new') RETURNING id", "TABLE last_run").split()[-1] > str(
            ROWS
        )


def test_a_restore_that_fails_changes_nothing(postgres: Postgres, empty: str, tmp_path: Path) -> None:
    """Half an archive: what had been restored of it is taken back."""
    path = tmp_path / "half.dump"
    postgres_dump.dump(postgres.url_of(database="full"), path, _ignore)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _sql(empty, "CREATE TABLE run (mine int)")
    with pytest.raises(BackupError, match="it ends in the middle of a table"):
        _restore(empty, path)
    assert _sql(empty, "SELECT column_name FROM information_schema.columns WHERE table_name = 'run'") == "mine"


def test_a_superuser_restores_and_extensions_stay(postgres: Postgres, empty: str, tmp_path: Path) -> None:
    """One in the backup keeps its version, and one that is newer than the backup keeps the columns of its types."""
    _sql(empty, "CREATE EXTENSION citext VERSION '1.4'", "CREATE TABLE names (name citext)")
    # some extensions, such as PostGIS, have tables with rows that pg_dump backs up
    _sql(empty, "CREATE TABLE settings AS SELECT 7 AS setting", "ALTER EXTENSION citext ADD TABLE settings")
    _migrate(empty)
    _sql(empty, "UPDATE pg_extension SET extconfig = ARRAY['settings'::regclass], extcondition = '{\"\"}'")
    postgres_dump.dump(empty, tmp_path / "archive", _ignore)
    _sql(
        empty,
        "CREATE EXTENSION hstore",
        "CREATE SCHEMA reports",
        "CREATE TABLE reports.kept AS SELECT 'a=>1'::hstore h",
    )
    for _ in range(2):
        _restore(empty, tmp_path / "archive")
        assert _sql(empty, "SELECT extversion FROM pg_extension WHERE extname = 'citext'") == "1.4"
        assert _sql(empty, "SELECT h -> 'a' FROM reports.kept", "SELECT count(name) FROM names") == "1\n0"
        assert _sql(empty, "TABLE settings") == "7"


@pytest.mark.parametrize("what", ["dump", "restore"])
def test_the_program_ends_with_a_job_that_is_killed(postgres: Postgres, empty: str, tmp_path: Path, what: str) -> None:
    """Killed with -9 in the middle: nothing goes on, and no half is restored."""
    full, path = postgres.url_of(database="full"), tmp_path / "full.dump"
    _sql(full, "CREATE TABLE IF NOT EXISTS big AS SELECT md5(random()::text) FROM generate_series(1, 100000)")
    postgres_dump.dump(full, path, _ignore)
    url = full if what == "dump" else empty
    with subprocess.Popen([sys.executable, "-c", CHILD, what, url, str(path)], stdout=subprocess.PIPE) as job:
        assert job.stdout
        assert job.stdout.readline().endswith((b" MB\n", b"table 1 of 4\n"))
        (child,) = psutil.Process(job.pid).children()
        assert child.name() == f"pg_{what}"
        assert not any("canary" in word for word in child.cmdline())
        job.kill()
    assert psutil.wait_procs([child], 60)[0]
    tables = _sql(empty, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    assert tables == "0"


def test_an_error_says_what_postgresql_said_without_the_password(postgres: Postgres, tmp_path: Path) -> None:
    """A database that is not there, and a server that is away."""
    for url, reason in [
        (postgres.url_of(database="nowhere"), 'database "nowhere" does not exist'),
        (postgres.url.replace(str(postgres.port), str(free_port())), "Connection refused"),
    ]:
        with pytest.raises(postgres_dump.PostgresFailed, match=reason) as caught:
            postgres_dump.dump(url, tmp_path / "x", _ignore)
        assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("place", [":…@", "?password="])
def test_the_password_is_never_on_a_command_line(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """However it stands in the URL: SQLAlchemy takes it, so it works here too."""
    password = "s/e?c#r[et"
    _sql(postgres.url, "DROP ROLE IF EXISTS ann", f"CREATE ROLE ann LOGIN PASSWORD '{password}'")
    url = postgres.url_of("ann", password)
    if place == "?password=":
        url = f"{url.replace(f':{password}', '')}?password={quote(password)}"
    wrapper = tmp_path / "pg_dump"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\nexec {program("pg_dump")} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    postgres_dump.dump(url, tmp_path / "x.dump", _ignore)
    assert _check(url).state == "ok"
    assert password not in (tmp_path / "calls").read_text()


def test_errors_that_a_retry_cannot_fix_are_final(postgres: Postgres, tmp_path: Path) -> None:
    """A table that this role may not read, and a wrong password."""
    _sql(postgres.url, f"CREATE ROLE stranger LOGIN PASSWORD '{PASSWORD}'")
    stranger = postgres.url_of("stranger", database="full")
    for url, reason in [
        (stranger, "permission denied for table run"),
        (stranger.replace(PASSWORD, "wrong"), 'password authentication failed for user "stranger"'),
    ]:
        with pytest.raises(BackupError, match=reason):
            postgres_dump.dump(url, tmp_path / "x", _ignore)


def test_a_restore_that_waits_ends_with_its_job(postgres: Postgres, empty: str, tmp_path: Path) -> None:
    """After its time limit nothing may be restored any more, and no connection of it waits."""
    _sql(empty, "CREATE TABLE run (mine int)")
    _migrate(empty)
    path = tmp_path / "small.dump"
    postgres_dump.dump(empty, path, _ignore)
    _sql(empty, "INSERT INTO run VALUES (1)")
    with psycopg.connect(empty.replace("+psycopg", "")) as user:
        user.execute("LOCK TABLE run")
        with pytest.raises(TimeoutError), _time_limit(1):
            _restore(empty, path)
        assert not [each for each in psutil.Process().children() if each.name() == "pg_restore"]
    restoring = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'empty'"
    wait_until(lambda: _sql(postgres.url, restoring) == "0")
    assert _sql(empty, "TABLE run") == "1"


def test_the_check_compares_versions(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As new as the server, too old, missing, not needed, or no answer."""
    assert _check("sqlite:///x").state == "off"
    good = _check(postgres.url)
    assert good.state == "ok", good
    away = _check(postgres.url.replace(str(postgres.port), str(free_port())))
    assert (away.state, PASSWORD in away.found, "refused" in away.found) == ("failed", False, True)
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(program('psql')).parent}:/usr/bin:/bin")
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    old.chmod(0o755)
    assert "pg_dump 9, server " in _check(postgres.url).found
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    missing = _check(postgres.url)
    assert (missing.found, "postgresql-client" in missing.cure) == ("pg_dump is not installed", True)
