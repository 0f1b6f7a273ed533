"""Records on both kinds of database."""

import multiprocessing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from project.errors import DatabaseUnavailable
from project.integrations.database import history
from project.integrations.database.engine import transaction
from project.settings import Settings
from tests.support.ports import free_port
from tests.support.postgres import PASSWORD, Postgres, running_postgres
from tests.support.stopwatch import takes_less_than


def _rows(settings: Settings, limit: int = 10, before: int | None = None) -> list[history.Record]:
    with transaction(settings.database) as session:
        return history.page(session, limit, before)


def test_a_record_says_when_a_job_began_and_when_it_was_done(migrated: Settings) -> None:
    """In UTC, whatever the database makes of time zones."""
    before = datetime.now(UTC)
    with history.recorded(migrated.database, "one", "hello", "consumer.1"):
        begun = _rows(migrated)[0]
    done = _rows(migrated)[0]
    assert (begun.job_id, begun.task, begun.consumer, begun.attempts) == ("one", "hello", "consumer.1", 1)
    assert begun.finished_at is None and done.finished_at is not None
    assert before <= done.started_at <= done.finished_at <= datetime.now(UTC)
    assert done.started_at.tzinfo is UTC


def test_a_job_that_runs_again_has_one_record(migrated: Settings) -> None:
    """With the consumer of the last time, and how often it was begun."""
    with pytest.raises(ZeroDivisionError), history.recorded(migrated.database, "one", "hello", "consumer.1"):
        raise ZeroDivisionError
    assert _rows(migrated)[0].finished_at is None
    with history.recorded(migrated.database, "one", "hello", "consumer.2"):
        pass
    (record,) = _rows(migrated)
    assert (record.attempts, record.consumer) == (2, "consumer.2")
    assert record.finished_at


def test_pages_are_newest_first_and_meet_without_a_gap(migrated: Settings) -> None:
    """A record that is begun again stays where it is."""
    for name in "abcde":
        with transaction(migrated.database) as session:
            history.start(session, name, "hello", "consumer")
    with transaction(migrated.database) as session:
        history.start(session, "a", "hello", "consumer")
    first = _rows(migrated, 2)
    rest = _rows(migrated, 5, first[-1].id)
    assert [row.job_id for row in first + rest] == list("edcba")


def test_purging_takes_what_is_older(migrated: Settings) -> None:
    """However much it is, a batch after the other; and leaves the rest."""
    with transaction(migrated.database) as session:
        for name in "abcd":
            history.start(session, name, "hello", "consumer")
    middle = datetime.now(UTC)
    with transaction(migrated.database) as session:
        history.start(session, "e", "hello", "consumer")
    assert history.purge(migrated.database, middle - timedelta(hours=1)) == 0
    assert history.purge(migrated.database, middle, batch=2) == 4
    assert [row.job_id for row in _rows(migrated)] == ["e"]


def test_purging_leaves_only_the_rows_that_others_refer_to(migrated: Settings) -> None:
    """The database refuses to delete those; they do not keep the others."""
    with transaction(migrated.database) as session:
        for name in "abcdefgh":
            history.start(session, name, "hello", "consumer")
    with transaction(migrated.database_owner) as session:
        session.execute(text("CREATE TABLE mine (job_id TEXT REFERENCES records (job_id))"))
        session.execute(text("INSERT INTO mine VALUES ('c'), ('d'), ('g')"))
    for deleted in (5, 0):
        assert history.purge(migrated.database, datetime.now(UTC), batch=4) == deleted
        assert [row.job_id for row in _rows(migrated)] == ["g", "d", "c"]


def test_a_forked_child_talks_on_a_connection_of_its_own(migrated: Settings) -> None:
    """As prefork's children do: two on one connection would read each other's answers."""
    with transaction(migrated.database) as session:
        history.start(session, "parent", "hello", "consumer")
        child = multiprocessing.get_context("fork").Process(target=_work, args=(migrated.database,))
        if "sqlite" not in migrated.database:  # SQLite's writers wait for each other
            child.start()
            child.join(20)
        history.start(session, "parent", "hello", "consumer")
    if child.pid is None:
        child.start()
        child.join(20)
    assert child.exitcode == 0
    assert sorted(row.job_id for row in _rows(migrated)) == ["child 0", "child 1", "child 2", "parent"]


def _work(url: str) -> None:
    for number in range(3):
        with transaction(url) as session:
            history.start(session, f"child {number}", "hello", "consumer")


def test_an_error_says_what_the_database_said(migrated: Settings, postgres: Postgres) -> None:
    """A missing table or a statement timeout is reported as such, so that nobody looks for a dead server."""
    if "sqlite" in migrated.database:
        command, why = text("SELECT * FROM nowhere"), "no such table: nowhere"
    else:
        command, why = text("SET statement_timeout = 1; SELECT pg_sleep(1)"), "due to statement timeout"
    with pytest.raises(DatabaseUnavailable, match=why) as caught, transaction(migrated.database) as session:
        session.execute(command)
    assert PASSWORD not in str(caught.value) and "\n" not in str(caught.value)


def test_an_unavailable_database_is_reported_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A refused connection fails immediately; a broken one is replaced without an error when the database is back."""
    url = f"postgresql://app:secret@127.0.0.1:{free_port()}/d"
    with (
        takes_less_than(1),
        pytest.raises(DatabaseUnavailable, match=r"the database says: .*Connection refused"),
        transaction(url) as session,
    ):
        history.page(session, 1)
    with running_postgres(tmp_path_factory.mktemp("away")) as server:
        with transaction(server.url) as session:
            session.connection()
        server.kill()
        server.start()
        with transaction(server.url) as session:
            session.connection()
