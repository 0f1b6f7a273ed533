"""Restoring a backup: the database is as it was, then migrated; all of it or nothing."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from project import restore
from project.health.database_check import check
from project.integrations.backups import archives, database_dump, manifest, postgres_restore, sqlite_files
from project.integrations.backups.archives import BackupError
from project.integrations.backups.manifest import Shrunk
from project.integrations.backups.retention import Keep
from project.integrations.database import history, migrations
from project.integrations.database.engine import transaction
from project.integrations.database.migrations import NewerDatabase
from project.migrate import migrate
from project.settings import Settings
from tests.support.postgres import PASSWORD, Postgres


def _back_up(settings: Settings, accept_shrink: bool = False) -> str:
    url = settings.database
    guard = manifest.guard(settings.backups, "database", accept_shrink)
    fill = partial(database_dump.write, url, report=_ignore, guard=guard)
    summary = archives.make(settings.backups, "database", database_dump.suffix(url), fill, Keep(3, 0, 0))
    return str(summary["name"])


def _restore(settings: Settings, name: str) -> dict[str, Any]:
    return database_dump.restore(settings, name, _ignore)


def _ignore(fraction: float, text: str) -> None:
    """Take a report of progress."""
    assert 0 <= fraction <= 1


def _run(settings: Settings, *commands: str) -> list[tuple[Any, ...]]:
    """Run commands as the owner; return the rows of the last one."""
    with transaction(settings.database_owner) as session:
        for command in commands:
            result: Any = session.execute(text(command))
        return [tuple(row) for row in result] if result.returns_rows else []


def _record(settings: Settings, *jobs: str) -> None:
    for job in jobs:
        with transaction(settings.database) as session:
            history.start(session, job, "hello", "consumer")


def _jobs(settings: Settings) -> list[str]:
    with transaction(settings.database_reader) as session:
        return [record.job_id for record in history.page(session, 10)]


@pytest.mark.parametrize("times", [1, 2])
def test_an_older_backup_is_migrated(
    migrated: Settings, newer_code: list[Path], monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """Tables, views and foreign keys that came since are made anew; twice is as good as once."""
    _record(migrated, "one", "two")
    older = _back_up(migrated)
    monkeypatch.setattr(migrations, "VERSIONS", newer_code)
    assert migrate(migrated)
    _record(migrated, "three")
    _run(migrated, "INSERT INTO greetings (record_id) SELECT id FROM records")
    for _ in range(times):
        _restore(migrated, older)
        assert _jobs(migrated) == ["two", "one"]
        assert _run(migrated, "SELECT * FROM greeted") == []
        assert check(migrated).state == "ok"
        assert not migrate(migrated)
        _record(migrated, "four")
        _run(migrated, "INSERT INTO greetings (record_id) SELECT id FROM records", "DELETE FROM records WHERE id = 1")
        assert _jobs(migrated) == ["four", "two"]
        assert [job for _, job in _run(migrated, "SELECT * FROM greeted ORDER BY id")] == ["two", "four"]


def test_a_backup_of_the_same_version_comes_back_with_all_that_depends_on_a_table(
    migrated: Settings, newer_code: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view and a foreign key on it are no obstacle; counters go on where they were."""
    monkeypatch.setattr(migrations, "VERSIONS", newer_code)
    migrate(migrated)
    _record(migrated, "one")
    _run(migrated, "INSERT INTO greetings (record_id) SELECT id FROM records")
    name = _back_up(migrated)
    _run(migrated, "DELETE FROM greetings")
    _record(migrated, "two")
    for _ in range(2):
        _restore(migrated, name)
        assert _run(migrated, "SELECT id, job_id FROM greeted") == [(1, "one")]
        _record(migrated, "other")
        _run(migrated, "INSERT INTO greetings (record_id) SELECT max(id) FROM records")
        assert _run(migrated, "SELECT id, job_id FROM greeted ORDER BY id")[1:] == [(2, "other")]


def test_a_migration_keeps_rows_that_refer_to_a_table_it_copies(
    migrated: Settings, newer_code: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite changes a column by copying the table; dropping the original must not delete what refers to it."""
    monkeypatch.setattr(migrations, "VERSIONS", newer_code)
    third = newer_code[1] / "0003_column.py"
    later = third.read_text()
    third.unlink()
    migrate(migrated)
    _record(migrated, "one")
    _run(migrated, "INSERT INTO greetings (record_id) SELECT id FROM records")
    third.write_text(later)
    assert migrate(migrated)
    assert _run(migrated, "SELECT id, job_id FROM greeted") == [(1, "one")]
    assert _run(migrated, "SELECT extra FROM records") == [("none",)]


def test_a_backup_of_newer_code_is_refused_before_anything_changes(
    migrated: Settings, newer_code: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says by which migration, and what to do."""
    older = _back_up(migrated)
    with monkeypatch.context() as newer:
        newer.setattr(migrations, "VERSIONS", newer_code)
        migrate(migrated)
        _record(migrated, "one")
        name = _back_up(migrated)
    with pytest.raises(NewerDatabase, match=rf"{name} was made by newer code, at migration 0003: start that version"):
        _restore(migrated, name)
    assert _jobs(migrated) == ["one"]
    _restore(migrated, older)  # and that is the way back
    assert _jobs(migrated) == [] and check(migrated).state == "ok"


def test_a_backup_of_another_program_is_refused_before_anything_changes(migrated: Settings) -> None:
    """All tables would be gone otherwise. Its database was never migrated."""
    _record(migrated, "one")
    older = _back_up(migrated)
    _run(migrated, "DROP TABLE alembic_version")
    name = _back_up(migrated)
    with pytest.raises(BackupError, match=f"{name} is not a backup of this stack: its database was never migrated"):
        _restore(migrated, name)
    assert _jobs(migrated) == ["one"]
    _restore(migrated, older)


def test_a_backup_whose_migration_fails_changes_nothing(
    migrated: Settings, newer_code: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restored tables are not there without the migrations."""
    name = _back_up(migrated)
    _record(migrated, "since")
    (newer_code[1] / "0003_column.py").write_text(
        "from alembic import op\nrevision, down_revision = '0003', '0002'\n\n"
        "def upgrade():\n    op.execute('SELECT * FROM nowhere')\n"
    )
    monkeypatch.setattr(migrations, "VERSIONS", newer_code)
    with pytest.raises(BackupError, match=r"which is unchanged: .*nowhere|the database is unchanged: .*nowhere"):
        _restore(migrated, name)
    assert _jobs(migrated) == ["since"]


def test_a_restore_keeps_foreign_objects_and_reports_what_depends_on_ours(
    on_postgres: Settings, postgres_server: Postgres
) -> None:
    """Extensions, other schemas and other owners' tables stay; views and foreign keys that refer to ours go."""
    database = on_postgres.database.rpartition("/")[2]
    admin = postgres_server.url_of(database=database)
    postgres_server.execute("CREATE EXTENSION pgcrypto; CREATE EXTENSION citext", admin)
    _record(on_postgres, "one")
    _run(on_postgres, "CREATE TYPE mood AS ENUM ('fine')", "CREATE TABLE old (mood mood)", "SELECT lo_create(7)")
    _run(on_postgres, "CREATE FUNCTION f(old) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    _run(on_postgres, f"GRANT SELECT ON old TO {database}_app", f"GRANT SELECT ON LARGE OBJECT 7 TO {database}_app")
    name = _back_up(on_postgres)
    postgres_server.execute("CREATE TABLE theirs (job_id text REFERENCES records (job_id))", admin)
    postgres_server.execute("INSERT INTO theirs VALUES ('one')", admin)
    _run(on_postgres, "CREATE VIEW seen AS SELECT job_id FROM records", "CREATE SCHEMA reports")
    _run(on_postgres, "CREATE VIEW reports.seen AS TABLE seen", "CREATE TABLE reports.kept AS SELECT 1 AS one")
    constraint = "table constraint theirs_job_id_fkey on public.theirs"
    for dropped in ([constraint, "view public.seen", "view reports.seen"], []):
        assert _restore(on_postgres, name).items() >= {"dropped": dropped, "skipped_rights": []}.items()
    assert postgres_server.execute("TABLE theirs", admin) == [("one",)]
    assert _run(on_postgres, "TABLE reports.kept") == [(1,)]
    assert _run(on_postgres, "SELECT f(NULL::old), digest('a', 'sha1') IS NULL, 'a'::citext = 'A'") == [
        (1, False, True)
    ]
    assert postgres_server.execute("TABLE old", on_postgres.database) == []
    assert _jobs(on_postgres) == ["one"]


def test_a_backup_can_be_restored_where_its_roles_are_not(on_postgres: Settings, postgres_server: Postgres) -> None:
    """Our roles get their privileges; the result lists those of missing roles."""
    postgres_server.execute("CREATE ROLE teacher")
    _run(on_postgres, "CREATE SCHEMA marks", "CREATE TABLE marks.mark AS SELECT 1 AS mark")
    database = on_postgres.database.rpartition("/")[2]
    _run(on_postgres, f"GRANT USAGE ON SCHEMA marks TO teacher, {database}_app", "GRANT SELECT ON records TO teacher")
    _run(on_postgres, f"GRANT SELECT ON ALL TABLES IN SCHEMA marks TO {database}_app")
    _record(on_postgres, "one")
    name = _back_up(on_postgres)
    postgres_server.execute(
        "DROP OWNED BY teacher", on_postgres.database_owner.replace(f"{database}_owner", "postgres")
    )
    postgres_server.execute("DROP ROLE teacher")
    for _ in range(2):
        summary = _restore(on_postgres, name)
        assert len(summary["skipped_rights"]) == 2
        assert 'role "teacher" does not exist' in summary["skipped_rights"][0]
    _record(on_postgres, "two")
    assert _jobs(on_postgres) == ["two", "one"]
    assert postgres_server.execute("TABLE marks.mark", on_postgres.database) == [(1,)]


def test_open_connections_continue_with_the_restored_data(migrated: Settings) -> None:
    """Connections that are open, with their prepared statements, see the old rows; writers wait or try again."""
    _record(migrated, *"abcdefgh")  # the driver prepares what it has seen five times
    for _ in range(8):
        _jobs(migrated)
    name = _back_up(migrated)
    _record(migrated, "since")
    _restore(migrated, name)
    assert _jobs(migrated) == list("hgfedcba")
    _record(migrated, "new")
    assert _jobs(migrated)[0] == "new"


def test_a_reader_that_never_ends_does_not_hold_up_a_restore_for_ever(
    on_postgres: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails with a sentence, and changes nothing."""
    monkeypatch.setattr(postgres_restore, "LOCK_WAIT", 0.3)
    name = _back_up(on_postgres)
    _record(on_postgres, "since")
    with transaction(on_postgres.database_reader) as session:
        history.page(session, 1)
        with pytest.raises(
            BackupError, match=r"nothing was changed: another connection has used a table for more than"
        ):
            _restore(on_postgres, name)
    assert _jobs(on_postgres) == ["since"]


def test_a_writer_that_never_ends_does_not_hold_up_a_restore_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has one writer; Python would wait for it without end."""
    settings = Settings(_env_file=None, run_dir=tmp_path)
    migrate(settings)
    monkeypatch.setattr(sqlite_files, "BUSY", 0.3)
    name = _back_up(settings)
    _record(settings, "since")
    with transaction(settings.database) as session:
        history.start(session, "open", "hello", "consumer")
        with pytest.raises(BackupError, match=r"another program has written to the database for more than 0.3 s"):
            _restore(settings, name)
    assert _jobs(settings) == ["open", "since"]


def test_a_restore_by_a_user_without_the_privilege_says_so(on_postgres: Settings) -> None:
    """The app's user may change rows only."""
    name = _back_up(on_postgres)
    app = on_postgres.model_copy(update={"database_owner_url": on_postgres.database_url})
    with pytest.raises(BackupError, match="the user of DATABASE_OWNER_URL needs this privilege"):
        _restore(app, name)
    assert _jobs(on_postgres) == []


def test_a_backup_is_restored_from_the_command_line(
    migrated: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While nothing runs: with one line, also when it is refused, and without a password."""
    _record(migrated, "one")
    name = _back_up(migrated)
    _record(migrated, "since")
    monkeypatch.setattr(restore, "get_settings", lambda: migrated)
    monkeypatch.setattr(sys, "argv", ["restore", name])
    restore.main()
    assert capsys.readouterr().out.startswith(f"glassqueue: restored {name}, of 20")
    assert _jobs(migrated) == ["one"]
    (migrated.backups / name).write_bytes(b"")
    with pytest.raises(SystemExit) as refused:
        restore.main()
    assert str(refused.value).startswith(f"glassqueue: cannot restore {name}: {name} is broken")
    assert PASSWORD not in str(refused.value)


def test_an_empty_database_does_not_push_out_the_backups_of_a_full_one(migrated: Settings) -> None:
    """It may be empty because a volume was lost; accept_shrink=True confirms that it should be."""
    _record(migrated, "one", "two")
    good = _back_up(migrated)
    summary = json.loads((migrated.backups / f"{good}.json").read_text())
    assert summary["content"] == {"rows": 2}
    assert {name.rpartition(".")[2]: rows for name, rows in summary["tables"].items()} == {"records": 2}
    _run(migrated, "DELETE FROM records")
    for _ in range(4):
        with pytest.raises(Shrunk, match=rf"there are 0 rows where {good} has 2: .* back up with accept_shrink=true"):
            _back_up(migrated)
    empty = _back_up(migrated, accept_shrink=True)
    assert [each.path.name for each in archives.all_of(migrated.backups, "database")] == [empty, good]
