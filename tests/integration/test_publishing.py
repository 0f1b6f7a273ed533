"""Publishing from the producer: on the right broker, without subscribing, without stalling."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery import Celery
from kombu.exceptions import EncodeError
from redis import Redis

from project.celery_config.app import create_celery_app
from project.celery_config.tasks.demo import sum_to_n_job
from project.settings import Settings


@pytest.fixture
def app(settings: Settings) -> Iterator[Celery]:
    """The app as the producer has it."""
    app = create_celery_app(settings)
    yield app
    app.close()


@pytest.mark.usefixtures("app")
def test_a_job_published_from_a_thread_goes_to_our_broker(redis: Redis) -> None:
    """@shared_task finds its app per thread; FastAPI's threads never saw ours (FACTS: celery#953)."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: sum_to_n_job.delay(number=1)).result()
    assert redis.llen("cpu") == 1


@pytest.mark.usefixtures("app")
def test_publishing_never_subscribes(redis: Redis) -> None:
    """Stock Celery subscribes to each result channel and freezes after ~36,000 jobs (celery#6963)."""
    for _ in range(100):
        sum_to_n_job.delay(number=1)
    commands = redis.info("commandstats")
    assert "cmdstat_lpush" in commands
    assert "cmdstat_subscribe" not in commands


@pytest.mark.usefixtures("app")
def test_many_publishes_through_one_process_never_stall(redis: Redis) -> None:
    """More than the ~36,000 after which the stock backend stops for 120 s."""
    slowest = 0.0
    for _ in range(40_000):
        begun = time.monotonic()
        sum_to_n_job.delay(number=1)
        slowest = max(slowest, time.monotonic() - begun)
    assert redis.llen("cpu") == 40_000
    assert slowest < 2


@pytest.mark.usefixtures("app")
def test_a_published_job_has_a_record_before_any_consumer_saw_it(redis: Redis) -> None:
    """So a queued job can be told from an unknown one."""
    job = sum_to_n_job.delay(number=1)
    assert redis.hget(f"job:{job.id}", "status") == b"PENDING"
    assert job.state == "PENDING"


@pytest.mark.usefixtures("app")
def test_a_job_that_cannot_be_published_leaves_no_record(redis: Redis) -> None:
    """An argument that JSON cannot carry fails the call as a whole."""
    with pytest.raises(EncodeError):
        sum_to_n_job.delay(number=object())
    assert list(redis.scan_iter("job:*")) == []
