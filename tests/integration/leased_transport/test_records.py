"""Records of jobs, and which URL selects which transport."""

import pytest
from celery import Celery, group
from kombu.transport import redis as kombu_redis
from redis import Redis

from project.brokers import broker_for, job_records, queue_depths
from project.leased_transport import control, listing, records, scripts
from project.leased_transport.backend import Backend
from project.leased_transport.transport import Transport
from project.settings import Settings
from tests.support.processes import RedisServer
from tests.support.transport_app import create_app
from tests.support.transport_fixtures import StartWorker
from tests.support.wait import wait_until


def test_recent_jobs_come_newest_first_page_by_page(app: Celery, redis: Redis) -> None:
    """The pages follow one another without gaps or repetitions, and the last one says so."""
    ids = [app.tasks["add"].delay(number, 1).id for number in range(25)]
    seen: list[str] = []
    cursor = None
    for size in (10, 10, 5):
        page, cursor = listing.recent(redis, count=10, before=cursor)
        assert len(page) == size
        seen += page
    assert (seen, cursor) == (ids[::-1], None)


def test_recent_jobs_can_be_filtered_by_task_and_status(app: Celery, redis: Redis) -> None:
    """A filter looks through as many pages as it needs."""
    wanted = app.tasks["note"].delay("x").id
    for number in range(30):
        app.tasks["add"].delay(number, 1)
    assert listing.recent(redis, count=5, task="note")[0] == [wanted]
    control.cancel_or_collect(redis, wanted)
    assert listing.recent(redis, count=5, status="REVOKED")[0] == [wanted]


def test_the_recent_index_keeps_its_limit(server: RedisServer, redis: Redis) -> None:
    """Old entries leave the index, not the queue."""
    app = create_app(server.url, recent_limit=10)
    for number in range(15):
        app.tasks["add"].delay(number, 1)
    assert (len(listing.recent(redis)[0]), redis.llen("celery")) == (10, 15)


def test_depths_count_waiting_and_delayed_jobs_of_all_priorities(app: Celery, redis: Redis) -> None:
    """The age belongs to the job that has waited longest."""
    assert queue_depths.depths(redis, ["celery"])["celery"] == {
        "waiting": 0,
        "delayed": 0,
        "running": 0,
        "oldest_age": None,
    }
    for priority, countdown in ((0, None), (3, None), (9, None), (0, 60)):
        app.tasks["add"].apply_async((1, 2), priority=priority, countdown=countdown)
    depths = queue_depths.depths(redis, ["celery"])["celery"]
    assert (depths["waiting"], depths["delayed"], depths["running"]) == (3, 1, 0)
    assert depths["oldest_age"] is not None and 0 <= depths["oldest_age"] < 5


def test_only_an_ended_job_can_be_forgotten(app: Celery, redis: Redis) -> None:
    """Forgetting a waiting job would lose it, so nothing happens."""
    job = app.tasks["add"].delay(1, 2)
    job.forget()
    assert records.read(redis, job.id) is not None
    control.cancel_or_collect(redis, job.id)
    job.forget()
    assert records.read(redis, job.id) is None


def test_an_extended_result_has_what_celery_promises(app: Celery, server: RedisServer, workers: StartWorker) -> None:
    """`result_extended` adds name, arguments, queue, consumer and group to results and failures."""
    workers("one", result_extended=True)
    jobs = group(app.tasks["add"].s(1, 2), app.tasks["fail"].s("on purpose")).delay()
    wait_until(jobs.ready)
    good, bad = (app.AsyncResult(job.id) for job in jobs)
    assert [(job.name, job.args, job.queue, job.worker) for job in (good, bad)] == [
        ("add", [1, 2], "celery", "one@test"),
        ("fail", ["on purpose"], "celery", "one@test"),
    ]
    assert {app.backend.get_task_meta(job.id)["group_id"] for job in jobs} == {jobs.id}


def test_an_unknown_job_is_distinguished_from_a_waiting_one(app: Celery) -> None:
    """Celery's own exists() is true for a queued job, and only for a known one."""
    assert app.tasks["add"].delay(1, 2).exists()
    assert not app.AsyncResult("nobody").exists()


def test_a_chain_that_fails_early_fails_at_its_end(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """A client that waits for the last step gets the failure; the step was no job, so its record has nothing else."""
    workers()
    last, first = (app.tasks["fail"].s("early") | app.tasks["add"].s(10)).delay().as_list()
    with pytest.raises(ValueError, match="early"):
        app.AsyncResult(last).get(timeout=30)
    assert set(redis.hgetall(f"job:{last}")) == {b"status", b"finished_at", b"exception", b"traceback", b"error"}
    assert records.read(redis, last) is None
    assert listing.recent(redis)[0] == [first]
    assert redis.ttl(f"job:{last}") > 0


def test_a_chain_goes_on_when_its_failed_step_is_requeued(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """The later step, which had the failure of the first one until then, becomes a job."""
    workers()
    last, first = (app.tasks["fail_once"].s("chain") | app.tasks["add"].s(10)).delay().as_list()
    wait_until(lambda: redis.hget(f"job:{last}", "status") == b"FAILURE")
    assert control.requeue(redis, [first]) == [first]
    wait_until(lambda: redis.hget(f"job:{last}", "status") == b"SUCCESS", 20)
    assert redis.hmget(f"job:{last}", "result", "error", "exception", "traceback") == [b"11", None, None, None]
    assert listing.recent(redis)[0] == [last, first]


def test_without_leases_a_step_with_the_failure_of_an_earlier_one_can_be_sent(redis: Redis) -> None:
    """The consumer that runs the requeued step need not wait, as for a message that another process is sending."""
    failure = ["error", '{"type": "ValueError", "message": "early"}']
    scripts.REPORT(redis, ["job:last"], ["last", "", "", "FAILURE", 86_400, "", *failure])
    fields = ["add", "celery", "[]", "first", "", job_records.UNSENT_TTL, job_records.SENDING, 100]
    assert scripts.REGISTER(redis, ["job:last"], ["last", "nonce", *fields]) == b"OK"
    assert redis.hmget("job:last", "status", "error", "finished_at") == [b"PENDING", None, None]


@pytest.mark.parametrize("variable", ["CELERY_BROKER_URL", "UNRELATED"])
def test_a_redis_url_selects_the_leased_transport(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Plain redis:// selects our transport and backend, even if Celery's own variables are in the environment."""
    monkeypatch.setenv(variable, "redis+stock://elsewhere:1/0")
    app = create_app(server.url)
    with app.connection_for_write() as connection:
        assert (type(connection.transport), connection.port) == (Transport, server.port)
    assert type(app.backend) is Backend


def test_a_stock_url_selects_kombus_own_transport(server: RedisServer) -> None:
    """redis+stock:// selects kombu's transport and Celery's backend on the same server."""
    app = create_app(server.url.replace("redis://", "redis+stock://"))
    with app.connection_for_write() as connection:
        assert type(connection.transport) is kombu_redis.Transport
    assert not isinstance(app.backend, Backend)


def test_another_broker_is_left_alone() -> None:
    """amqp:// keeps Celery's choice of transport, and results go to Redis."""
    settings = Settings(_env_file=None, broker_url="amqp://guest@rabbit//", redis_url="redis://results/1")
    options = broker_for(settings).celery_options()
    assert "broker_transport" not in options and "worker_consumer" not in options
    assert options["broker_url"] == "amqp://guest@rabbit//"
    assert options["result_backend"].endswith("+redis://results/1")


def test_a_url_with_decode_responses_changes_nothing(server: RedisServer, workers: StartWorker) -> None:
    """Fields of a record may be compressed, so they are read as bytes."""
    app = create_app(server.url)
    app.conf.result_backend += "?decode_responses=true"
    workers()
    assert app.tasks["add"].delay(1, 2).get(timeout=20) == 3


def test_another_lifetime_for_failures_is_warned_of(server: RedisServer) -> None:
    """All records expire after the same time, so Celery would ignore the setting."""
    app = create_app(server.url)
    app.conf.result_failure_expires = 600
    with pytest.warns(UserWarning, match="does not support result_failure_expires"):
        assert app.backend
