"""Publishing from the producer: on the right broker, without subscribing, without stalling."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from celery import Celery
from celery.signals import before_task_publish
from kombu.exceptions import EncodeError
from redis import Redis

from project.celery_config.app import create_celery_app
from project.celery_config.tasks.demo import sum_to_n_job, wait_and_return
from project.leased_transport import QueueFull
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


@pytest.mark.heavy
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
    """So a queued job differs from an unknown one."""
    job = sum_to_n_job.delay(number=1)
    assert redis.hget(f"job:{job.id}", "status") == b"PENDING"
    assert job.state == "PENDING"


@pytest.mark.usefixtures("app")
def test_a_job_that_cannot_be_published_leaves_no_record(redis: Redis) -> None:
    """An argument that JSON cannot carry fails the call as a whole."""
    with pytest.raises(EncodeError):
        sum_to_n_job.delay(number=object())
    assert list(redis.scan_iter("job:*")) == []


@pytest.mark.usefixtures("app")
def test_direct_publishing_admits_the_same_job_as_celerys_publisher(redis: Redis) -> None:
    """Record and message are the same, whether built directly or by Celery (which the option `retry` selects)."""
    admitted = []
    for extra in ({}, {"retry": False}):
        redis.flushdb()
        sum_to_n_job.apply_async(kwargs={"number": 1}, task_id="a", priority=6, **extra)
        record = redis.hgetall("job:a")
        assert redis.lrange("cpu\x06\x166", 0, -1) == [b"a"]
        assert bool(redis.exists("_kombu.binding.cpu")) == bool(extra)  # Celery declares the queue
        admitted.append((json.loads(record.pop(b"message")), record.keys(), record[b"task"], record[b"queue"]))
    assert admitted[0] == admitted[1]


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("option", ["link", "countdown", "headers", "expires"])
def test_options_unknown_to_direct_publishing_use_celerys_publisher(redis: Redis, option: str) -> None:
    """No option is lost."""
    value = {"link": wait_and_return.si(0), "countdown": 60, "headers": {"trace": "x"}, "expires": 60}[option]
    sum_to_n_job.apply_async(kwargs={"number": 1}, task_id="a", **{option: value})
    message = redis.hget("job:a", "message") or b""
    sign = {"link": b"wait_and_return", "headers": b'"trace":"x"', "expires": b'"expires"'}.get(option, b"")
    assert sign in message
    assert redis.zcard("delayed:cpu") == (option == "countdown")


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("eta", ["2030-01-01T00:00:00+00:00", datetime(2030, 1, 1, tzinfo=UTC)], ids=str)
def test_a_time_to_run_may_be_a_text(redis: Redis, eta: Any) -> None:
    """As with Celery's publisher."""
    sum_to_n_job.apply_async(kwargs={"number": 1}, task_id="a", eta=eta)
    assert redis.zscore("delayed:cpu", "a") == datetime(2030, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.usefixtures("app")
def test_a_receiver_of_celerys_publish_signal_is_called(redis: Redis) -> None:
    """Whoever listens to publishes, such as a tracer, hears of each."""
    heard: list[str] = []

    def listen(sender: str, **_: object) -> None:
        heard.append(sender)

    before_task_publish.connect(listen)
    try:
        sum_to_n_job.delay(number=1)
    finally:
        before_task_publish.disconnect(listen)
    sum_to_n_job.delay(number=1)
    assert heard == ["sum"]
    assert redis.llen("cpu") == 2


@pytest.mark.usefixtures("app")
def test_many_jobs_are_submitted_at_once_and_once(redis: Redis) -> None:
    """250 jobs take three round trips; the same call again, as after a failure, adds none."""
    ids = [f"job-{number}" for number in range(250)]
    for _ in range(2):
        jobs = sum_to_n_job.submit_many(({"number": number} for number in range(250)), ids)
        assert [job.id for job in jobs] == ids
        assert redis.lrange("cpu", 0, -1) == [job_id.encode() for job_id in reversed(ids)]
    with pytest.raises(TypeError):
        sum_to_n_job.submit_many([{"wrong": 1}])
    redis.script_flush()
    sum_to_n_job.submit_many([{"number": 1}])
    assert redis.llen("cpu") == 251


def test_a_full_queue_refuses_the_rest_of_many(settings: Settings, redis: Redis) -> None:
    """What fits is admitted, in order; room made, the same call again admits the rest."""
    app = create_celery_app(settings.model_copy(update={"queue_limit": 3}))
    ids = list("abcde")
    with pytest.raises(QueueFull):
        sum_to_n_job.submit_many([{"number": 1}] * 5, ids)
    assert redis.lrange("cpu", 0, -1) == [b"c", b"b", b"a"]
    redis.ltrim("cpu", 0, 0)
    sum_to_n_job.submit_many([{"number": 1}] * 5, ids)
    assert redis.lrange("cpu", 0, -1) == [b"e", b"d", b"c"]
    app.close()


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("options", [{}, {"expires": 60}])  # for the fast publisher, and for Celery's own way
def test_an_id_with_control_characters_is_refused(redis: Redis, options: dict[str, Any]) -> None:
    """The error says what an id may contain."""
    for job_id in ("a\nb", "a\0b", "\x7f", "\udcff"):
        with pytest.raises(ValueError, match="no control characters"):
            sum_to_n_job.apply_async(kwargs={"number": 1}, task_id=job_id, **options)
    assert redis.llen("cpu") == 0
    sum_to_n_job.apply_async(kwargs={"number": 1}, task_id="order 7: ö", **options)
    assert redis.lrange("cpu", 0, -1) == ["order 7: ö".encode()]
