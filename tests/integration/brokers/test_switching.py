"""Switching between the leased transport and kombu's own; tests/rabbitmq/test_switching.py has the other ways."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from celery.app.task import Context

from project.brokers import switching
from project.leased_transport import keys, records, scripts
from tests.support.processes import RedisServer
from tests.support.switching import Side, assert_a_stopping_consumer_keeps_its_job, assert_jobs_survive_a_switch
from tests.support.wait import wait_until


def _side(kind: str, server: RedisServer, folder: Path) -> Side:
    return Side(server.url if kind == "leased" else server.url.replace("redis:", "redis+stock:"), server, folder)


@pytest.mark.parametrize(("old", "new"), [("leased", "stock"), ("stock", "leased")])
def test_jobs_survive_a_switch_of_the_transport(server: RedisServer, tmp_path: Path, old: str, new: str) -> None:
    """Whatever state a job is in, it ends as if nothing was switched."""
    with _side(old, server, tmp_path) as before, _side(new, server, tmp_path) as after:
        assert_jobs_survive_a_switch(before, after)


@pytest.mark.heavy
@pytest.mark.parametrize(("old", "new"), [("leased", "stock"), ("stock", "leased")])
def test_a_stopping_consumer_keeps_its_job(server: RedisServer, tmp_path: Path, old: str, new: str) -> None:
    """It is not moved while it may still end."""
    with _side(old, server, tmp_path) as before, _side(new, server, tmp_path) as after:
        assert_a_stopping_consumer_keeps_its_job(before, after)


def test_a_job_whose_code_a_consumer_lacks_waits_for_one_that_has_it(server: RedisServer, tmp_path: Path) -> None:
    """The consumer that looks for jobs of the old broker first cannot run it, and leaves it there."""
    with _side("leased", server, tmp_path) as before, _side("stock", server, tmp_path) as after:
        job_id = str(before.app.send_task("price", kwargs={"items": [{"tea": 3}]}, queue="default").id)
        known = before.submit("wait_and_return", kwargs={"seconds": 0, "message": "moved"})
        without = after.consumer("default")
        wait_until(lambda: after.status(known) == "SUCCESS", 60, "the jobs of the old broker are moved")
        assert after.status(job_id) == "PENDING"
        without.kill()
        after.consumer("default", task_modules="tests.support.remote_tasks")
        wait_until(lambda: after.status(job_id) == "SUCCESS", 60, "the job runs where its code is")


def _misfit(side: Side, **options: Any) -> str:
    """Submit a job whose task gets another argument while it waits."""
    job_id = side.submit("sum", kwargs={"number": 4}, **options)
    message: Any = side.redis.hget(keys.job(job_id), "message")
    side.redis.hset(keys.job(job_id), "message", message.replace(b"number", b"numbr"))
    return job_id


@pytest.mark.parametrize(("old", "new"), [("leased", "stock"), ("stock", "leased")])
def test_a_job_that_cannot_be_moved_holds_no_other_up(server: RedisServer, tmp_path: Path, old: str, new: str) -> None:
    """It fails with the reason; keys that another program has overwritten are left alone."""
    redis = server.client
    redis.flushall()
    with _side(old, server, tmp_path) as before, _side(new, server, tmp_path) as after:
        bad = [_misfit(before), _misfit(before, countdown=1), before.submit("sum", kwargs={"number": 4})]
        redis.hset(keys.job(bad[2]), mapping={"status": "STARTED", "token": "x"})  # its consumer is gone
        redis.set("job:text", "no record")
        redis.lpush("cpu", "text") if old == "leased" else redis.sadd(keys.broker("stock"), "text")
        good = [before.submit("sum", kwargs={"number": 4}) for _ in range(3)]
        ran = before.submit("sum", kwargs={"number": 4})
        redis.hset(keys.job(ran), mapping={"status": "STARTED", "consumer": "broken"})
        redis.zadd(keys.leases("cpu"), {ran: 1})
        redis.set(keys.consumer("broken"), "no heartbeat")
        after.consumer("cpu")
        wait_until(lambda: {after.status(job_id) for job_id in [*good, ran]} == {"SUCCESS"}, 60, "the others are moved")
        wait_until(lambda: {after.status(job_id) for job_id in bad} == {"FAILURE"}, 60, "the bad jobs fail")
        assert all((records.read(redis, job_id) or {})["error"] for job_id in bad)
        wait_until(lambda: sum(after.app.broker.depths(["cpu"])["cpu"][name] for name in ("delayed", "running")) == 0)


def test_requeueing_a_job_that_its_task_no_longer_accepts_changes_nothing(server: RedisServer, tmp_path: Path) -> None:
    """It stays what it is, and can be forgotten."""
    server.client.flushall()
    with _side("stock", server, tmp_path) as side:
        job_id = _misfit(side)
        switching._fail(side.app.broker, job_id, "test")
        assert side.app.broker.requeue([job_id]) == []
        record = records.read(side.redis, job_id) or {}
        assert (record["status"], json.loads(record["error"])["message"]) == ("FAILURE", "test")


def test_a_job_that_expires_before_its_sending_is_noted_ends(server: RedisServer, tmp_path: Path) -> None:
    """A quick consumer discards an expired message at once: one that was moved here, or one of a requeued job."""
    redis = server.client
    redis.flushall()
    with _side("leased", server, tmp_path) as before, _side("stock", server, tmp_path) as after:
        job_id = before.submit("sum", kwargs={"number": 4}, expires=0.1)
        key, backend = [keys.job(job_id)], after.app.backend
        assert scripts.CLAIM(redis, key, [job_id, "stock", "moved", 4])
        backend.mark_as_revoked(job_id, "expired", request=Context(id=job_id, nonce="moved"))
        scripts.CONFIRM_MOVE(redis, key, [job_id, "stock", "moved", ""])
        assert after.status(job_id) == "REVOKED"
        assert redis.exists("cpu", keys.broker("stock"), keys.leases("cpu")) == 0
        assert scripts.PREPARE_REQUEUE(redis, key, ["again", "stock"])
        backend.mark_as_revoked(job_id, "expired", request=Context(id=job_id, nonce="again"))
        assert scripts.CONFIRM_SENT(redis, key, [job_id, "again", 1, ""])
        assert after.status(job_id) == "REVOKED"
        assert redis.exists(keys.broker("stock"), keys.leases("cpu")) == 0


def test_jobs_behind_many_that_cannot_be_moved_are_moved(server: RedisServer, tmp_path: Path) -> None:
    """However many jobs in front of them belong to a task that no consumer has the code of."""
    redis = server.client
    redis.flushall()
    with _side("leased", server, tmp_path) as before, _side("stock", server, tmp_path) as after:
        stuck = [f"stuck{i}" for i in range(2 * switching.BATCH + 1)]
        for job_id in stuck:
            redis.hset(keys.job(job_id), mapping={"status": "PENDING", "task": "nowhere", "queue": "cpu"})
        redis.lpush("cpu", *stuck)
        behind = before.submit("sum", kwargs={"number": 4})
        assert switching.send_all(after.app.broker) == 1
        assert (redis.llen("cpu"), redis.hget(keys.job(behind), "broker")) == (len(stuck), b"stock")


def test_a_damaged_priority_holds_no_other_job_up(server: RedisServer, tmp_path: Path) -> None:
    """Its job fails with the reason."""
    redis = server.client
    redis.flushall()
    with _side("leased", server, tmp_path) as before, _side("stock", server, tmp_path) as after:
        bad, behind = (before.submit("sum", kwargs={"number": 4}) for _ in range(2))
        redis.hset(keys.job(bad), "step", "x")
        assert switching.send_all(after.app.broker) == 1
        assert (after.status(bad), redis.hget(keys.job(behind), "broker")) == ("FAILURE", b"stock")


def test_headers_of_a_job_survive_a_switch_to_the_stock_transport(server: RedisServer, tmp_path: Path) -> None:
    """Also those of stamps; a job finds them in its request."""
    server.client.flushall()
    with _side("leased", server, tmp_path) as before, _side("stock", server, tmp_path) as after:
        stamps = {"stamped_headers": ["day"], "day": "monday"}
        options: Any = {"headers": {"tenant": "a"}, "compression": "gzip", "retries": 2, "expires": 60, **stamps}
        before.submit("sum", kwargs={"number": 4}, **options)
        assert switching.send_all(after.app.broker) == 1
        with after.app.connection_for_read() as connection:
            message: Any = connection.SimpleQueue(after.app.amqp.queues["cpu"]).get(timeout=5)
        args, kwargs, _ = message.decode()
        assert (list(args), kwargs, message.headers["tenant"], message.headers["retries"]) == (
            [],
            {"number": 4},
            "a",
            2,
        )
        assert (message.headers["stamps"], message.headers["stamped_headers"]) == ({"day": "monday"}, ["day"])
        assert message.headers["expires"] > datetime.now(UTC).isoformat()
