"""The list of records over HTTP, when rows or tables are not what this version expects."""

import logging

import httpx
import pytest
from anyio import CapacityLimiter
from fastapi import FastAPI
from sqlalchemy import NullPool

from project.api import records
from project.api.problems import add_error_handlers
from project.integrations.database import history
from project.integrations.database.engine import make_engine, transaction
from project.settings import Settings
from tests.support.http import assert_problem


@pytest.fixture
def http(migrated: Settings) -> httpx.AsyncClient:
    """A client of an app that has nothing but the list."""
    app = FastAPI()
    app.state.settings, app.state.database_threads = migrated, CapacityLimiter(1)
    app.include_router(records.router)
    add_error_handlers(app)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/producer/api")


def _execute(settings: Settings, *commands: str) -> None:
    with make_engine(settings.database_owner, poolclass=NullPool).begin() as connection:
        for command in commands:
            connection.exec_driver_sql(command)


@pytest.mark.anyio
async def test_a_row_without_fields_does_not_hide_the_others(
    migrated: Settings, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says once which row it is and what to do; pages go on after it."""
    for name in "abcd":
        with transaction(migrated.database) as session:
            history.start(session, name, "hello", "consumer")
    if "sqlite" in migrated.database:
        harm = ["UPDATE records SET started_at = 7 WHERE job_id = 'b'", "UPDATE records SET attempts = 0 WHERE id = 3"]
    else:
        harm = ["ALTER TABLE records ALTER task DROP NOT NULL", "UPDATE records SET task = NULL WHERE id IN (2, 3)"]
    _execute(migrated, *harm)
    for _ in range(2):
        first = (await http.get("/records?limit=3")).json()
        assert [record["job_id"] for record in first["records"]] == ["d"]
    second = (await http.get(f"/records?limit=3&before={first['next']}")).json()
    assert [record["job_id"] for record in second["records"]] == ["a"]
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert all("is not listed: " in each and each.endswith("correct or delete it") for each in warnings)


@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
@pytest.mark.parametrize("column", ["started_at", "finished_at"])
@pytest.mark.parametrize(
    ("moment", "zone"),
    [
        ("infinity", "UTC"),
        ("20000-01-01+00", "UTC"),
        ("0044-03-15+00 BC", "UTC"),
        ("9999-12-31 23:59+00", "Pacific/Auckland"),
        ("0001-12-31 20:00+00 BC", "Pacific/Auckland"),
    ],
)
@pytest.mark.anyio
async def test_a_time_that_python_cannot_represent_does_not_hide_the_other_rows(
    migrated: Settings, http: httpx.AsyncClient, moment: str, zone: str, column: str
) -> None:
    """PostgreSQL's times begin earlier and end later, and it sends them in the time zone of the session."""
    for name in "abc":
        with transaction(migrated.database) as session:
            history.start(session, name, "hello", "consumer")
    database = migrated.database.rpartition("/")[2]
    _execute(migrated, f"ALTER DATABASE {database} SET timezone = '{zone}'")
    _execute(migrated, f"UPDATE records SET {column} = '{moment}' WHERE job_id = 'b'")
    page = (await http.get("/records")).json()
    assert [record["job_id"] for record in page["records"]] == ["c", "a"]


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
@pytest.mark.anyio
async def test_a_text_that_is_no_utf_8_does_not_hide_the_rows(migrated: Settings, http: httpx.AsyncClient) -> None:
    """SQLite stores any bytes as text; what cannot be decoded is shown as �."""
    for name in "ab":
        with transaction(migrated.database) as session:
            history.start(session, name, "hello", "consumer")
    _execute(migrated, "UPDATE records SET consumer = CAST(x'61ff' AS TEXT) WHERE job_id = 'b'")
    page = (await http.get("/records")).json()
    assert [(record["job_id"], record["consumer"]) for record in page["records"]] == [("b", "a�"), ("a", "consumer")]


@pytest.mark.anyio
async def test_tables_of_another_version_are_a_503_that_says_so(migrated: Settings, http: httpx.AsyncClient) -> None:
    """As after a migration by newer code, and before one by this code; what the database says is for the log only."""
    _execute(migrated, "ALTER TABLE records RENAME COLUMN task TO work")
    problem = assert_problem(await http.get("/records"), 503)
    assert problem["detail"] == "The database tables do not match this version; run `make doctor` for the fix."
    _execute(migrated, "DROP TABLE records")
    assert assert_problem(await http.get("/records"), 503)["detail"] == problem["detail"]
