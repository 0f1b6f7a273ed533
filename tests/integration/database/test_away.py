"""While PostgreSQL is away, records are a 503 in time, and jobs continue or wait; afterwards everything works again."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from project.celery_config.app import create_celery_app
from project.migrate import migrate
from project.settings import Settings
from tests.integration.database.conftest import empty_database
from tests.support.http import assert_problem, submit
from tests.support.postgres import Postgres
from tests.support.processes import RedisServer, Worker
from tests.support.producer import Producer
from tests.support.wait import wait_until

pytestmark = pytest.mark.heavy  # a flood, and times
RECORDS = "/producer/api/records"
FLOOD = 45  # requests at once, more than FastAPI has threads


@pytest.fixture(scope="module")
def settings(postgres: Postgres) -> Settings:
    """A database with its tables and its roles."""
    settings = empty_database(postgres)
    migrate(settings)
    return settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes log."""
    return tmp_path_factory.mktemp("away")


@pytest.fixture(scope="module")
def redis(folder: Path) -> Iterator[RedisServer]:
    """A Redis for producer and consumer."""
    with RedisServer(folder) as server:
        yield server


@pytest.fixture(scope="module")
def http(redis: RedisServer, settings: Settings, folder: Path) -> Iterator[httpx.Client]:
    """A producer that knows the reader's address only."""
    producer = Producer(folder, redis.port, database_reader_url=settings.database_reader).ready()
    limits = httpx.Limits(max_connections=None)
    with httpx.Client(base_url=f"http://127.0.0.1:{producer.port}", timeout=30, limits=limits) as client:
        yield client
    producer.kill()


@pytest.fixture(scope="module")
def consumer(redis: RedisServer, settings: Settings, folder: Path) -> Iterator[Worker]:
    """A prefork consumer with two slots, whose jobs are not all retried before PostgreSQL is up."""
    options = {"run_dir": folder, "database_url": settings.database, "task_modules": "tests.support.longest_delays"}
    worker = Worker(redis.url, folder, "consumer", "prefork", 2, app="project.consumer", **options).ready()
    yield worker
    worker.kill()


def _is_refused(http: httpx.Client) -> float:
    """Check that listing the history is refused with an explanation; return the seconds that it took."""
    begun = time.monotonic()
    answer = http.get(RECORDS)
    assert assert_problem(answer, 503)["detail"] == "The database does not answer at the moment; try again."
    assert answer.headers["retry-after"]
    return time.monotonic() - begun


def _job(http: httpx.Client, job_id: str) -> dict[str, object]:
    return dict(http.get(f"/producer/api/jobs/{job_id}").json())


def _submit_hello(redis: RedisServer) -> str:
    app = create_celery_app(Settings(_env_file=None, redis_url=redis.url))
    try:
        return str(app.send_task("hello").id)
    finally:
        app.close()


def test_a_frozen_database_holds_up_records_only(http: httpx.Client, postgres: Postgres) -> None:
    """It is a 503 within two seconds, also for many concurrent requests; jobs are still accepted."""
    assert http.get(RECORDS).status_code == 200
    postgres.signal_all("STOP")
    try:
        with ThreadPoolExecutor(FLOOD) as threads:
            refused = [threads.submit(_is_refused, http) for _ in range(FLOOD)]
            begun = time.monotonic()
            submit(http, "sum", number=1)
            seconds_to_accept = time.monotonic() - begun
            assert max(request.result() for request in refused) < 4  # 2 s, and a loaded machine
    finally:
        postgres.signal_all("CONT")
    assert seconds_to_accept < 2
    wait_until(lambda: http.get(RECORDS).status_code == 200, what="records are back")


def test_a_job_waits_for_its_database(
    http: httpx.Client, consumer: Worker, postgres: Postgres, settings: Settings, redis: RedisServer
) -> None:
    """It is tried again by its retry policy, its error says why in the log, and in the end it has one record."""
    before = _submit_hello(redis)
    wait_until(lambda: _job(http, before)["status"] == "SUCCESS")
    postgres.kill()
    assert _is_refused(http) < 1
    job_id = _submit_hello(redis)
    wait_until(lambda: _job(http, job_id)["status"] == "RETRY", what="hello waits for another try")
    postgres.start()
    wait_until(lambda: _job(http, job_id)["status"] == "SUCCESS")
    assert [record["job_id"] for record in http.get(RECORDS).json()["records"]] == [job_id, before]
    log = consumer.log.read_text()
    assert "the database says: connection failed: " in log
    assert str(make_url(settings.database).password) not in log
