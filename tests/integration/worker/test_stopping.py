"""A consumer that is asked to stop: its jobs end, or are handed back after SHUTDOWN_TIMEOUT."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from project.celery_config.app import create_celery_app
from project.leased_transport import records
from project.settings import Settings
from tests.support.processes import Worker
from tests.support.wait import wait_until

StartConsumer = Callable[[str, int], Worker]


@pytest.fixture
def app(settings: Settings) -> Iterator[Celery]:
    """The app as the producer has it."""
    app = create_celery_app(settings)
    yield app
    app.close()


@pytest.fixture(params=["prefork", pytest.param("forked", marks=pytest.mark.heavy), "threads", "solo"])
def start(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[StartConsumer]:
    """Start consumers by name and SHUTDOWN_TIMEOUT; all are killed when the test is over."""
    running: list[Worker] = []

    def start(name: str, timeout: int) -> Worker:
        worker = _consumer(settings, tmp_path, name, request.param, timeout)
        running.append(worker)
        return worker.ready()

    yield start
    for worker in running:
        worker.kill()


def _submit(app: Celery, consumer: Worker, seconds: int) -> str:
    """Submit a job and return its id when it runs."""
    job_id = str(app.tasks["wait_and_return"].apply_async(kwargs={"seconds": seconds}).id)
    wait_until(lambda: f"started job_id={job_id}" in consumer.log.read_text())
    return job_id


def _consumer(settings: Settings, folder: Path, name: str, pool: str, timeout: int, **more: Any) -> Worker:
    environment: dict[str, Any] = {"run_dir": folder, "consumer_pool": pool, "shutdown_timeout": timeout} | more
    return Worker(settings.redis, folder, name, pool, app="project.consumer", **environment)


def _record(redis: Redis, job_id: str) -> dict[str, Any]:
    return records.read(redis, job_id) or {}


def _stop(consumer: Worker) -> None:
    """Send what SIGTERM stands for in the stack, where REMAP_SIGTERM is set."""
    consumer.send("QUIT")
    consumer.process.wait(30)


def test_a_job_that_has_not_ended_is_handed_back_in_time(app: Celery, redis: Redis, start: StartConsumer) -> None:
    """Its process ends with it, although threads and solo pools cannot stop a job: no attempt runs beside the next one."""
    one = start("one", 1)
    job_id = _submit(app, one, seconds=40)
    _stop(one)
    assert f"glassqueue.job: handed back job_id={job_id}" in one.log.read_text()
    start("two", 1)
    wait_until(lambda: _record(redis, job_id)["attempts"] == "2")


def test_a_consumer_stops_as_soon_as_its_jobs_have_ended(app: Celery, redis: Redis, start: StartConsumer) -> None:
    """It does not use up SHUTDOWN_TIMEOUT, and no job is handed back."""
    one = start("one", 60)
    job_id = _submit(app, one, seconds=2)
    _stop(one)
    log = one.log.read_text()
    assert f"success job_id={job_id}" in log
    assert "handed back" not in log
    record = _record(redis, job_id)
    assert (record["status"], record["attempts"]) == ("SUCCESS", "1")


@pytest.mark.parametrize(("pool", "seconds", "outcome"), [("threads", 0, "SUCCESS"), ("prefork", 40, "PENDING")])
def test_a_consumer_stops_in_the_moment_in_which_it_begins_a_job(
    app: Celery, redis: Redis, settings: Settings, tmp_path: Path, pool: str, seconds: int, outcome: str
) -> None:
    """The signal interrupts the main thread, which holds a lock of the pool; the pool does not know yet what runs."""
    with _consumer(settings, tmp_path, "one", pool, 2, task_modules="tests.support.interrupted_pool") as one:
        one.ready()
        job_id = str(app.tasks["wait_and_return"].apply_async(kwargs={"seconds": seconds}).id)
        one.process.wait(30)
    assert _record(redis, job_id)["status"] == outcome


@pytest.mark.parametrize("pool", ["forked", "prefork", "threads", "solo"])
def test_a_consumer_that_is_stopped_while_it_starts_ends_without_an_error(
    redis: Redis, settings: Settings, tmp_path: Path, pool: str
) -> None:
    """Its pool has been stopped before its event loop begins."""
    with _consumer(settings, tmp_path, "one", pool, 2, task_modules="tests.support.interrupted_start") as one:
        one.process.wait(30)
    log = one.log.read_text()
    assert "Traceback" not in log, log
    if pool != "forked":  # its supervisor hears the signal while the front process becomes ready
        assert "Cold shutdown" in log
        assert "ready." not in log
