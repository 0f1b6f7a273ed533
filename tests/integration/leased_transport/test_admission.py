"""Admission: a job is accepted or refused as a whole."""

import socket
import threading
import time

import pytest
from celery import Celery, group
from redis import Redis

from project.leased_transport import JobExists, QueueFull, control, keys, listing, records
from tests.chaos import protocol
from tests.support.ports import free_port
from tests.support.processes import RedisServer
from tests.support.stopwatch import takes_less_than
from tests.support.transport_app import create_app
from tests.support.transport_fixtures import StartWorker
from tests.support.wait import wait_until


def test_an_accepted_job_has_a_pending_record_and_stands_in_its_queue(app: Celery, redis: Redis) -> None:
    """One call writes the record, the list entry and the recent index."""
    job_id = app.tasks["add"].delay(1, 2).id
    record = records.read(redis, job_id)
    assert record is not None
    assert (record["task"], record["queue"], record["status"], record["attempts"]) == ("add", "celery", "PENDING", "0")
    assert abs(float(record["submitted_at"]) - time.time()) < 5
    assert redis.lrange("celery", 0, -1) == [job_id.encode()]
    assert redis.ttl(f"job:{job_id}") == -1
    assert listing.recent(redis)[0] == [job_id]


def test_a_known_id_is_refused_and_nothing_is_queued(app: Celery, redis: Redis) -> None:
    """A second job with an id that the client chose makes apply_async raise JobExists itself."""
    app.tasks["add"].apply_async((1, 2), task_id="chosen")
    with pytest.raises(JobExists, match="chosen"):
        app.tasks["add"].apply_async((1, 2), task_id="chosen")
    assert redis.llen("celery") == 1


def test_a_full_queue_refuses_and_leaves_no_trace(server: RedisServer, redis: Redis) -> None:
    """At queue_limit a job is refused, and the error names the limit; other queues accept jobs."""
    app = create_app(server.url, queue_limit=3)
    for priority, countdown in ((0, None), (9, None), (0, 60)):
        app.tasks["add"].apply_async((1, 2), priority=priority, countdown=countdown)
    with pytest.raises(QueueFull) as refusal:
        app.tasks["add"].apply_async((1, 2), task_id="late")
    assert (refusal.value.queue, str(refusal.value)) == ("celery", "queue celery is full: 3 jobs wait")
    assert records.read(redis, "late") is None
    app.tasks["add"].apply_async((1, 2), queue="other")


def test_a_cancelled_job_makes_room(server: RedisServer, redis: Redis) -> None:
    """Also a job of another priority; the other jobs keep their places."""
    app = create_app(server.url, queue_limit=3)
    jobs = [app.tasks["add"].apply_async((1, 2), priority=priority) for priority in (0, 9, 9)]
    for job in jobs[:2]:
        control.cancel_or_collect(redis, job.id)
    jobs += [app.tasks["add"].apply_async((1, 2), priority=9) for _ in range(2)]
    with pytest.raises(QueueFull):
        app.tasks["add"].delay(1, 2)
    assert redis.lrange(keys.waiting("celery")[-1], 0, -1) == [job.id.encode() for job in jobs[:1:-1]]


def test_a_retry_of_a_run_that_lost_its_lease_leaves_the_job_where_it_waits(redis: Redis) -> None:
    """The job will run again anyway; a second entry would run it twice."""
    protocol.admit(redis, "a", "n1")
    (job,) = protocol.fetch(redis)
    protocol.expire(redis, "a")
    protocol.renew_and_reap(redis)
    assert protocol.admit(redis, "a", "n2", due=2e10, token=job.token) == "OK"
    assert protocol.places(redis, "a") == ["waiting"]


def test_a_late_ending_takes_a_job_out_of_its_queue(redis: Redis) -> None:
    """A run that has lost its lease can still end its job until the job is fetched again."""
    protocol.admit(redis, "a", "n", step=3)
    (job,) = protocol.fetch(redis)
    protocol.expire(redis, "a")
    protocol.renew_and_reap(redis)
    assert protocol.finish(redis, job)
    assert protocol.places(redis, "a") == []


def test_a_publish_retried_after_a_lost_answer_is_accepted_once(app: Celery, redis: Redis) -> None:
    """The retry of a call has the same nonce, so it is not refused as a duplicate."""
    with app.producer_pool.acquire(block=True) as producer:
        headers, properties = {"task": "add", "id": "same"}, {"correlation_id": "same"}
        for _ in range(2):  # what kombu's ensure() does after a connection error
            message = producer.channel.prepare_message("[]", None, "application/json", "utf-8", headers, properties)
            producer.channel.basic_publish(message, "", "celery")
    assert redis.lrange("celery", 0, -1) == [b"same"]


def test_many_producers_with_one_id_are_accepted_once(app: Celery, redis: Redis) -> None:
    """Twenty threads submit the same id, and exactly one is accepted."""
    outcomes: list[str] = []

    def submit() -> None:
        try:
            app.tasks["add"].apply_async((1, 2), task_id="one")
            outcomes.append("accepted")
        except JobExists:
            outcomes.append("refused")

    threads = [threading.Thread(target=submit) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(outcomes) == ["accepted"] + ["refused"] * 19
    assert redis.llen("celery") == 1


def test_publishing_never_subscribes(app: Celery, redis: Redis) -> None:
    """A producer opens no subscription, however many jobs it publishes."""
    for number in range(50):
        app.tasks["add"].delay(number, 1)
    assert redis.pubsub_channels() == []


def test_a_batch_of_kombus_producer_is_admitted_job_by_job(app: Celery, redis: Redis) -> None:
    """Kombu's Producer.batch() works, but is not faster; a known id is refused when it is published."""
    with app.producer_pool.acquire(block=True) as producer, producer.batch(64):
        for number in range(100):
            app.tasks["add"].apply_async((number, 1), producer=producer, task_id=f"job-{number}")
        with pytest.raises(JobExists, match="job-7"):
            app.tasks["add"].apply_async((7, 1), producer=producer, task_id="job-7")
    assert redis.llen("celery") == 100


def test_a_frozen_redis_fails_a_publish_within_its_timeout(tmp_path) -> None:
    """The producer waits for its timeout, and not forever, if a server accepts connections but never answers."""
    listener = socket.create_server(("127.0.0.1", free_port()))
    app = create_app(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", socket_timeout=0.3)
    with takes_less_than(2), pytest.raises(app.tasks["add"].OperationalError):
        app.tasks["add"].delay(1, 2)
    listener.close()


def test_a_full_redis_refuses_jobs_but_lets_consumers_work_it_off(
    app: Celery, server: RedisServer, workers: StartWorker
) -> None:
    """At maxmemory a publish fails, but waiting jobs are still fetched and ended, which frees memory."""
    worker = workers()
    worker.send("STOP")
    results = [app.tasks["add"].delay(number, 1) for number in range(20)]
    with server.full():
        with pytest.raises(app.tasks["add"].OperationalError, match="maxmemory"):
            app.tasks["add"].delay(1, 2)
        worker.send("CONT")
        wait_until(lambda: all(result.state == "SUCCESS" for result in results))


@pytest.mark.parametrize("countdown", [None, 0.5])
def test_a_job_of_task_protocol_1_runs_as_any_other(
    app: Celery, redis: Redis, workers: StartWorker, countdown: float | None
) -> None:
    """Celery 3 and `task_protocol=1` send everything in the body; group and link work too."""
    app.conf.task_protocol = 1
    workers()
    link = app.tasks["note"].si("linked")
    job = app.tasks["add"].apply_async((1,), {"y": 2}, countdown=countdown, link=link)
    assert job.get(timeout=30) == 3
    wait_until(lambda: redis.llen("runs:linked") == 1)
    numbers = group(app.tasks["add"].s(number, 1) for number in range(3))
    assert (numbers | app.tasks["total"].s()).delay().get(timeout=30) == 6


def test_a_lost_script_cache_is_loaded_again(app: Celery, redis: Redis) -> None:
    """After SCRIPT FLUSH (or a failover) the next admission sends its script in full."""
    app.tasks["add"].delay(1, 2)
    redis.script_flush()
    app.tasks["add"].delay(1, 2)
    assert redis.llen("celery") == 2
