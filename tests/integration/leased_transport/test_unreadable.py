"""Jobs that a consumer cannot read: each fails with the reason, and harms no other job."""

import base64
import json
from typing import Any

import orjson
import pytest
from celery import Celery
from redis import Redis
from redis.exceptions import ResponseError

from project.leased_transport import control, keys, scripts
from tests.integration.leased_transport.test_delivery import nothing_left, record, runs
from tests.support.transport_fixtures import StartWorker
from tests.support.wait import wait_until

GOOD: list[Any] = ["[[], {}, {}]", None, "application/json", "utf-8", {}, {}]
UNREADABLE = {
    "no message": b"",
    "no JSON": b"{",
    "no list": b'{"a": 1}',
    "too few parts": orjson.dumps(GOOD[:5]),
    "a body that is no text": orjson.dumps([1, *GOOD[1:]]),
    "headers that are no object": orjson.dumps([*GOOD[:4], [], {}]),
    "properties that are no object": orjson.dumps([*GOOD[:5], None]),
    "broken base64": orjson.dumps(["%%%", "base64", *GOOD[2:]]),
    "an unknown body encoding": orjson.dumps([GOOD[0], "rot13", *GOOD[2:]]),
    "an unknown content type": orjson.dumps([*GOOD[:2], "application/x-none", *GOOD[3:]]),
    "an unknown character set": orjson.dumps([*GOOD[:3], "klingon", *GOOD[4:]]),
    "a body that is no JSON": orjson.dumps(["[", *GOOD[1:]]),
    "a body of another shape": orjson.dumps(['{"a": 1}', *GOOD[1:]]),
    "a broken compression": orjson.dumps([*GOOD[:4], {"compression": "application/x-gzip"}, {}]),
    "an eta that is no time": orjson.dumps([*GOOD[:4], {"eta": "soon"}, {}]),
    "a time to expire that is no time": orjson.dumps([*GOOD[:4], {"expires": {}}, {}]),
}


def _spoil(redis: Redis, job_id: str, message: bytes) -> None:
    redis.hset(f"job:{job_id}", "message", message)


@pytest.mark.parametrize("pool", ["solo", "prefork", "threads", pytest.param("forked", marks=pytest.mark.heavy)])
def test_a_job_that_cannot_be_read_fails_with_a_reason_and_harms_no_other(
    app: Celery, redis: Redis, workers: StartWorker, pool: str
) -> None:
    """The good jobs between them run once, and the consumer goes on."""
    good, bad = [], {}
    for name, message in UNREADABLE.items():
        bad[name] = app.tasks["add"].delay(1, 2).id
        _spoil(redis, bad[name], message)
        good.append(app.tasks["note"].delay("good").id)
    one = workers("one", pool, 4)
    wait_until(lambda: nothing_left(redis), 20, "all jobs have ended")
    wait_until(lambda: {record(redis, job_id)["status"] for job_id in bad.values()} == {"FAILURE"})
    reasons = {name: json.loads(record(redis, job_id)["error"])["message"] for name, job_id in bad.items()}
    assert all(reasons.values()), reasons
    assert {record(redis, job_id)["status"] for job_id in good} == {"SUCCESS"}
    assert (runs(redis, "good"), {record(redis, job_id)["attempts"] for job_id in good}) == (len(good), {"1"})
    assert one.process.poll() is None


@pytest.mark.parametrize(("field", "value"), [("token", "x"), ("task", None), ("status", "PENDING")])
def test_a_damaged_record_stops_no_other_job(
    app: Celery, redis: Redis, workers: StartWorker, field: str, value: str | None
) -> None:
    """A record without a task or with a token that is not a number, or a key that is not a record."""
    bad = app.tasks["add"].delay(1, 2).id
    redis.hset(f"job:{bad}", field, value) if value else redis.hdel(f"job:{bad}", field)
    redis.rpush("celery", "text")
    redis.set("job:text", "no record")
    workers()
    assert app.tasks["note"].delay("after").get(timeout=10) == "after"
    wait_until(lambda: redis.hget(f"job:{bad}", "status") in (b"FAILURE", b"SUCCESS"))


@pytest.mark.parametrize("pool", ["threads", pytest.param("prefork", marks=pytest.mark.heavy)])
def test_an_overwritten_record_of_a_running_job_harms_no_other_job(
    app: Celery, redis: Redis, workers: StartWorker, pool: str
) -> None:
    """The jobs beside it end and have run once, and the consumer goes on."""
    one = workers("one", pool, 2)
    bad, good = app.tasks["nap"].delay("bad", 0.5), app.tasks["nap"].delay("good", 1.5)
    wait_until(lambda: runs(redis, "bad") and runs(redis, "good"))
    redis.delete(f"job:{bad.id}")
    redis.set(f"job:{bad.id}", "no record")
    assert good.get(timeout=30)
    assert app.tasks["add"].delay(1, 2).get(timeout=30) == 3
    assert (runs(redis, "good"), record(redis, good.id)["attempts"], one.process.poll()) == (1, "1", None)


def test_a_delayed_job_whose_record_was_overwritten_harms_no_other(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """Its consumer goes on."""
    job = app.tasks["add"].apply_async((1, 2), countdown=60)
    redis.zadd("delayed:celery", {job.id: 1})
    redis.delete(f"job:{job.id}")
    redis.set(f"job:{job.id}", "no record")
    one = workers()
    assert app.tasks["note"].delay("after").get(timeout=10) == "after"
    assert (redis.zcard("delayed:celery"), one.process.poll()) == (0, None)


@pytest.mark.parametrize("is_hash", [False, True])
def test_jobs_run_though_another_program_uses_the_key_of_a_counter(
    app: Celery, redis: Redis, workers: StartWorker, is_hash: bool
) -> None:
    """It only feeds an estimate."""
    redis.hset(keys.FETCH_COUNTS, "celery", "x") if is_hash else redis.set(keys.FETCH_COUNTS, 1)
    workers()
    job = app.tasks["note"].delay("counted")
    assert job.get(timeout=10) == "counted"
    assert record(redis, job.id)["attempts"] == "1"


def test_jobs_wait_while_another_program_occupies_the_key_of_their_leases(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """None is taken out of its queue, and all run once the key is gone."""
    redis.set("leases:celery", 1)
    jobs = [app.tasks["note"].delay("leased").id for _ in range(3)]
    assert scripts.FETCH(redis, ["celery"], [64, 1, "one@test", *keys.PRIORITY_STEPS]) == []
    assert redis.llen("celery") == len(jobs)
    redis.delete("leases:celery")
    workers()
    wait_until(lambda: {record(redis, job_id)["status"] for job_id in jobs} == {"SUCCESS"})


@pytest.mark.parametrize("pool", ["solo", pytest.param("forked", marks=pytest.mark.heavy)])
@pytest.mark.parametrize("key", ["celery", "delayed:celery", "leases:celery", "bell:celery"])
def test_a_queue_that_another_program_has_overwritten_holds_no_other_up(
    app: Celery, redis: Redis, workers: StartWorker, key: str, pool: str
) -> None:
    """Its consumer goes on, and serves it again once the key is gone."""
    one = workers("one", pool, 1, "-Q", "celery,other")
    redis.delete(key)
    redis.set(key, "x")
    for number in range(3):
        assert app.tasks["note"].apply_async((f"n{number}",), queue="other").get(timeout=20) == f"n{number}"
    if key != "bell:celery":  # the next job makes it anew
        redis.delete(key)
    assert app.tasks["note"].delay("after").get(timeout=20) == "after"
    assert one.process.poll() is None


@pytest.mark.parametrize("key", ["leases:celery", "job:broken"])
def test_a_running_job_keeps_its_lease_beside_one_whose_key_is_overwritten(
    app: Celery, redis: Redis, workers: StartWorker, key: str
) -> None:
    """Both renew their leases, and store their results, in the same steps."""
    workers("one", "threads", 2, "-Q", "celery,other")
    app.tasks["nap"].apply_async(("broken", 1.5), task_id="broken")
    job = app.tasks["nap"].apply_async(("whole", 2), queue="other")
    wait_until(lambda: runs(redis, "broken") and runs(redis, "whole"))
    redis.delete(key)
    redis.set(key, "x")
    workers("two", "solo", 1, "-Q", "other")  # would reap an expired lease
    assert job.get(timeout=20)
    assert (record(redis, job.id)["attempts"], runs(redis, "whole")) == ("1", 1)
    if key != "job:broken":
        wait_until(lambda: record(redis, "broken")["status"] == "SUCCESS")


def test_a_job_whose_retry_cannot_be_queued_fails(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """Half of a retry would leave it without a lease and outside of its queue, where it would be lost."""
    redis.set("delayed:celery", "x")
    job = app.tasks["again"].delay("retried", 1)
    workers()
    wait_until(lambda: record(redis, job.id)["status"] == "FAILURE")
    assert (runs(redis, "retried"), redis.zcard("leases:celery")) == (1, 0)


def test_a_job_stays_what_it_is_while_its_queue_is_overwritten(app: Celery, redis: Redis) -> None:
    """An expired lease is reaped, and a failed job is requeued, once the key is gone."""
    expired, failed = (app.tasks["note"].delay(name).id for name in ("expired", "failed"))
    fetch = [2, 0.001, "dead@test", *keys.PRIORITY_STEPS]
    wait_until(lambda: len(scripts.FETCH(redis, ["celery"], fetch)) == 10)
    scripts.FINISH(redis, [], [60, failed, "1", "FAILURE", 2, "error", "{}"])
    redis.set("celery", "x")
    reap = ["renew", 1, 3, 60]
    assert scripts.RENEW_AND_REAP(redis, ["celery"], reap) == [[], []]
    with pytest.raises(ResponseError, match="overwritten the key celery"):
        control.requeue(redis, [failed])
    assert [record(redis, job_id)["status"] for job_id in (expired, failed)] == ["STARTED", "FAILURE"]
    redis.delete("celery")
    assert scripts.RENEW_AND_REAP(redis, ["celery"], reap)[1]
    assert control.requeue(redis, [failed]) == [failed]
    assert redis.lrange("celery", 0, -1) == [failed.encode(), expired.encode()]


@pytest.mark.parametrize("action", ["return", "stop", "death"])
def test_a_job_that_is_handed_back_to_an_overwritten_queue_waits_for_it(app: Celery, redis: Redis, action: str) -> None:
    """It has a lease until then, which has expired."""
    job_id = app.tasks["note"].delay("back").id
    wait_until(lambda: len(scripts.FETCH(redis, ["celery"], [1, 60, "stopping@test", *keys.PRIORITY_STEPS])) == 5)
    redis.set("celery", "x")
    assert scripts.RENEW_AND_REAP(redis, [], [action, 1, 3, 60, job_id, "1", "celery"]) == [[], []]
    redis.delete("celery")
    scripts.RENEW_AND_REAP(redis, ["celery"], ["renew", 1, 3, 60])
    assert (redis.lrange("celery", 0, -1), record(redis, job_id)["status"]) == ([job_id.encode()], "PENDING")


def test_a_message_of_another_program_waits_while_the_inbox_is_no_list(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """It is not lost, leaves no record, and goes to the inbox later; the jobs around it run."""
    redis.set(keys.INBOX, "text")
    app.tasks["note"].delay("before")
    redis.lpush("celery", '{"task": "other"}')
    workers()
    wait_until(lambda: runs(redis, "before"))
    job = app.tasks["note"].delay("behind")
    redis.delete(keys.INBOX)
    assert job.get(timeout=10) == "behind"
    assert redis.lrange(keys.INBOX, 0, -1) == [b'{"task": "other"}']
    assert not redis.exists('job:{"task": "other"}')


def test_without_an_index_of_recent_jobs_each_job_runs_once(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """Another program has overwritten it."""
    redis.set(keys.RECENT, "no sorted set")
    results = [app.tasks["note"].delay("once") for _ in range(20)]
    workers("one", "threads", 4)  # ends jobs in batches
    assert {result.get(timeout=10) for result in results} == {"once"}
    wait_until(lambda: nothing_left(redis))
    assert (runs(redis, "once"), {record(redis, result.id)["attempts"] for result in results}) == (20, {"1"})


def test_a_job_of_a_task_that_is_gone_fails(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """The error names the task; the job is not retried."""
    workers()
    job = app.send_task("gone", task_id="gone")
    wait_until(lambda: record(redis, job.id)["status"] == "FAILURE")
    assert "gone" in json.loads(record(redis, job.id)["error"])["message"]
    assert app.tasks["add"].delay(1, 2).get(timeout=10) == 3


def _without_leases(redis: Redis, job_id: str, **fields: Any) -> None:
    """Write the record that an older version wrote for brokers without leases."""
    message = json.dumps([["old"], {}, {"headers": {}}])
    known: dict[str, Any] = {
        "task": "note",
        "queue": "celery",
        "status": "PENDING",
        "nonce": "n",
        "queued": 1,
        "message": message,
    }
    redis.hset(keys.job(job_id), mapping=known | fields)


def test_a_job_of_an_older_version_without_leases_runs(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """The keys of the leased transport have its message in kombu's form, or its id if it ran in a consumer that was killed."""
    headers = {"id": "waiting", "task": "note", "nonce": "n"}
    body = base64.b64encode(b'[["old"], {}, {}]').decode()
    message = {"body": body, "headers": headers, "properties": {"body_encoding": "base64", "delivery_tag": "t"}}
    _without_leases(redis, "waiting")
    redis.lpush("celery", json.dumps(message))
    _without_leases(redis, "ran", status="STARTED", token=1)
    redis.zadd("leases:celery", {"ran": 1})
    _without_leases(redis, "delayed")
    redis.zadd("delayed:celery", {"delayed": 1})
    workers()
    jobs = ("waiting", "ran", "delayed")
    wait_until(lambda: {record(redis, job_id)["status"] for job_id in jobs} == {"SUCCESS"})
    assert runs(redis, "old") == 3
    wait_until(lambda: nothing_left(redis))


def test_a_job_that_kills_its_consumer_takes_no_fetched_job_with_it(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """Jobs that were fetched together with it lose their leases once, and are then fetched separately."""
    one = workers("one")
    for _ in range(300):  # so that it begins to fetch ahead
        app.tasks["add"].delay(1, 1)
    wait_until(lambda: nothing_left(redis))
    one.send("STOP")
    before = [app.tasks["note"].delay("mate").id for _ in range(10)]
    poison = app.tasks["die"].delay("poison").id
    mates = before + [app.tasks["note"].delay("mate").id for _ in range(20)]
    one.send("CONT")
    one.process.wait(20)
    for attempt in range(2, 4):
        workers(f"heir{attempt}", ready=False).process.wait(30)
    workers("last")
    wait_until(lambda: nothing_left(redis), 20)
    assert record(redis, poison)["status"] == "FAILURE"
    assert {record(redis, job_id)["status"] for job_id in mates} == {"SUCCESS"}
