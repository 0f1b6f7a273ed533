"""Delivery in every pool: jobs are fetched, leases renewed, lost and handed back; no job is lost or runs twice."""

import json
import re
import time

import pytest
from celery import Celery, chord, group
from redis import Redis

from project.brokers import queue_depths
from project.leased_transport import control, keys, records
from tests.support.processes import RedisServer
from tests.support.stopwatch import takes_less_than
from tests.support.transport_fixtures import LEASE, StartWorker
from tests.support.wait import wait_until

POOLS = [("solo", 1), ("prefork", 2), ("threads", 2), pytest.param("forked", 2, marks=pytest.mark.heavy)]
every_pool = pytest.mark.parametrize(("pool", "slots"), POOLS)


def runs(redis: Redis, name: str) -> int:
    """Return how often jobs named *name* have started."""
    return int(redis.llen(f"runs:{name}"))


def record(redis: Redis, job_id: str) -> dict[str, str]:
    """Return the record of a job that must be known."""
    found = records.read(redis, job_id)
    assert found is not None
    return found


def nothing_left(redis: Redis) -> bool:
    """Return whether no job waits, is delayed or runs."""
    depths = queue_depths.depths(redis, ["celery"])["celery"]
    return not (depths["waiting"] or depths["delayed"] or depths["running"])


@every_pool
def test_jobs_of_every_kind_end_with_an_honest_record(
    app: Celery, redis: Redis, workers: StartWorker, pool: str, slots: int
) -> None:
    """Success, failure, retry, rejection and ignored results give the right record in every pool."""
    workers("one", pool, slots)
    send = {name: task.apply_async for name, task in app.tasks.items()}
    good, bad = send["add"]((1, 2)), send["fail"](("no luck",))
    retried, rejected, quiet = send["again"](("r", 2)), send["reject"](), send["quiet"]()
    assert good.get(timeout=30) == 3
    with pytest.raises(ValueError, match="no luck"):
        bad.get(timeout=30)
    assert retried.get(timeout=30) == 2
    wait_until(lambda: all(app.AsyncResult(job.id).ready() for job in (rejected, quiet)))
    assert json.loads(record(redis, bad.id)["error"]) == {"type": "ValueError", "message": "no luck"}
    assert "ValueError: no luck" in record(redis, bad.id)["traceback"]
    assert (record(redis, good.id)["result"], record(redis, good.id)["consumer"]) == ("3", "one@test")
    assert float(record(redis, good.id)["started_at"]) <= float(record(redis, good.id)["finished_at"])
    assert (runs(redis, "r"), record(redis, retried.id)["attempts"]) == (3, "3")
    assert record(redis, rejected.id)["status"] == "FAILURE"
    assert (record(redis, quiet.id)["status"], "result" in record(redis, quiet.id)) == ("SUCCESS", False)
    assert redis.ttl(f"job:{good.id}") > 0
    wait_until(lambda: nothing_left(redis))


@every_pool
def test_an_error_that_cannot_be_encoded_is_an_error_like_any_other(
    app: Celery, redis: Redis, workers: StartWorker, pool: str, slots: int
) -> None:
    """Python reads a file name that is not UTF-8 as half a surrogate pair; the consumer stores the error and goes on."""
    workers("one", pool, slots)
    bad = app.tasks["file"].delay()
    assert app.tasks["add"].delay(1, 2).get(timeout=30) == 3
    wait_until(lambda: record(redis, bad.id)["status"] == "FAILURE")
    assert json.loads(record(redis, bad.id)["error"]) == {"type": "FileNotFoundError", "message": "report\\udcff.txt"}
    assert "FileNotFoundError: report\\udcff.txt" in record(redis, bad.id)["traceback"]


@every_pool
def test_canvas_works(app: Celery, redis: Redis, workers: StartWorker, pool: str, slots: int) -> None:
    """Chains, groups, chords and replaced tasks give the results that Celery promises."""
    workers("one", pool, slots)
    add, total = app.tasks["add"], app.tasks["total"]
    assert (add.s(1, 2) | add.s(10)).delay().get(timeout=30) == 13
    assert group(add.s(number, 1) for number in range(5)).delay().get(timeout=30) == [1, 2, 3, 4, 5]
    assert chord([add.s(number, 1) for number in range(5)], total.s()).delay().get(timeout=30) == 15
    assert app.tasks["replace"].delay(1).get(timeout=30) == 12
    wait_until(lambda: nothing_left(redis))


def test_results_that_were_there_before_anyone_waited_are_found(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """get() returns the result of a job or group that ended before it subscribed."""
    workers()
    single, many = app.tasks["add"].delay(1, 2), group(app.tasks["add"].s(number, 1) for number in range(5)).delay()
    wait_until(lambda: redis.zcard(keys.RECENT) == 6 and nothing_left(redis))
    assert single.get(timeout=30) == 3
    assert many.get(timeout=30) == [1, 2, 3, 4, 5]


@every_pool
def test_a_killed_consumer_has_its_job_run_again_elsewhere_within_two_leases(
    app: Celery, redis: Redis, server: RedisServer, workers: StartWorker, pool: str, slots: int
) -> None:
    """When a consumer is killed in the middle of a job, another consumer runs the job."""
    both = {f"{name}@test": workers(name, pool, slots) for name in ("one", "two")}
    job = app.tasks["nap"].delay("k", 1.5)
    wait_until(lambda: runs(redis, "k") == 1)
    killed_consumer = record(redis, job.id)["consumer"]
    both.pop(killed_consumer).kill()
    (heir,) = both.values()
    with takes_less_than(2 * LEASE, heir.process.pid, server.process.pid):
        wait_until(lambda: runs(redis, "k") == 2)
    assert job.get(timeout=30)
    assert (record(redis, job.id)["attempts"], record(redis, job.id)["consumer"]) == ("2", *both)
    warnings = re.findall(r"a lease expired .*", heir.log.read_text())
    assert len(warnings) == 1
    assert f": job_id={job.id} task=nap queue=celery consumer={killed_consumer}; it is back in its queue" in warnings[0]
    wait_until(lambda: nothing_left(redis))


@every_pool
def test_a_job_five_leases_long_runs_exactly_once(
    app: Celery, redis: Redis, workers: StartWorker, pool: str, slots: int
) -> None:
    """The leases of a healthy consumer are renewed, whatever its pool is doing."""
    workers("one", pool, slots, lease=1)
    workers("two", pool, slots, lease=1)
    job = app.tasks["nap"].delay("long", 5)
    assert job.get(timeout=30)
    assert (runs(redis, "long"), record(redis, job.id)["attempts"]) == (1, "1")


@every_pool
def test_a_late_finisher_is_fenced_off(app: Celery, redis: Redis, workers: StartWorker, pool: str, slots: int) -> None:
    """A consumer that was stopped for longer than its lease neither overwrites the result nor acknowledges twice."""
    sleeper = workers("sleeper", pool, slots)
    job = app.tasks["nap"].delay("f", 1.0)
    wait_until(lambda: runs(redis, "f") == 1)
    sleeper.signal_all("STOP")
    workers("heir", pool, slots)
    wait_until(lambda: record(redis, job.id).get("finished_at"))
    ended = record(redis, job.id)
    sleeper.signal_all("CONT")
    again = app.tasks["note"].apply_async(("after",), queue="celery")
    assert again.get(timeout=30) == "after"
    wait_until(lambda: b"refused" in sleeper.log.read_bytes() or b"lost the lease" in sleeper.log.read_bytes())
    assert record(redis, job.id) == ended
    assert (ended["consumer"], ended["attempts"], ended["status"]) == ("heir@test", "2", "SUCCESS")
    wait_until(lambda: nothing_left(redis))


@pytest.mark.heavy
def test_a_poison_job_runs_max_attempts_times_and_fails_without_harm_to_others(
    app: Celery, redis: Redis, workers
) -> None:
    """A job that kills its pool process each time fails in the end, and the consumer goes on with other jobs."""
    workers("one", "prefork", 2)
    poison = app.tasks["die"].delay("p")
    others = [app.tasks["add"].delay(number, 1) for number in range(10)]
    assert [other.get(timeout=30) for other in others] == list(range(1, 11))
    wait_until(lambda: app.AsyncResult(poison.id).ready())
    assert json.loads(record(redis, poison.id)["error"])["type"] == "PoisonJob"
    assert (runs(redis, "p"), record(redis, poison.id)["attempts"]) == (3, "3")
    assert control.requeue(redis, [poison.id])
    wait_until(lambda: runs(redis, "p") == 6 and app.AsyncResult(poison.id).ready())


def test_a_poison_job_that_kills_whole_consumers_ends_too(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """With solo consumers each attempt kills a consumer; after max_attempts the job fails instead."""
    job = app.tasks["die"].delay("solo")
    for number in (1, 2):
        consumer = workers(f"c{number}", ready=False, max_attempts=2)
        consumer.process.wait(60)
    workers("last", max_attempts=2)
    wait_until(lambda: record(redis, job.id)["status"] == "FAILURE")
    assert runs(redis, "solo") == 2


@every_pool
def test_a_stopped_consumer_hands_back_at_once(
    app: Celery, redis: Redis, workers: StartWorker, pool: str, slots: int
) -> None:
    """After SIGTERM running jobs end, and other fetched jobs go back to the head of their queue at once."""
    one = workers("one", pool, slots, lease=30)
    jobs = [app.tasks["nap"].delay(f"s{number}", 0.5) for number in range(6)]
    wait_until(lambda: runs(redis, "s0") == 1)
    assert one.stop() == 0
    assert queue_depths.depths(redis, ["celery"])["celery"]["running"] == 0
    workers("two", pool, 2 if pool != "solo" else 1, lease=30)
    for job in jobs:
        assert job.get(timeout=30)
    assert [runs(redis, f"s{number}") for number in range(6)] == [1] * 6
    attempts = [record(redis, job.id)["attempts"] for job in jobs]
    # a job that was just given to a slot counts, because it may have begun
    assert set(attempts) <= {"1", "2"} and attempts.count("2") <= slots


def test_a_cold_stop_hands_running_jobs_back_without_a_mark_against_them(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """SIGQUIT kills the pool processes, and their jobs wait again at once; that counts as an attempt, but not as a crash."""
    one = workers("one", "prefork", 2, lease=30)
    jobs = [app.tasks["nap"].delay(f"q{number}", 30) for number in range(2)]
    # Celery stops only those jobs of which the pool has told the consumer that they run
    wait_until(lambda: len((app.control.inspect(timeout=1).active() or {}).get("one@test", [])) == 2)
    one.send("QUIT")
    one.process.wait(60)
    assert [record(redis, job.id)["status"] for job in jobs] == ["PENDING", "PENDING"]
    assert [record(redis, job.id)["attempts"] for job in jobs] == ["1", "1"]
    assert not any(redis.hexists(f"job:{job.id}", "deaths") for job in jobs)


def test_a_slow_job_in_front_does_not_hold_fetched_jobs_back(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """While a slow job blocks a consumer, the jobs that it fetched ahead go to an idle consumer, in their order."""
    one = workers("one")
    for _ in range(200):  # so that it begins to fetch ahead
        app.tasks["add"].delay(1, 1)
    wait_until(lambda: nothing_left(redis))
    one.send("STOP")
    slow = app.tasks["nap"].delay("slow", 60)
    short = [app.tasks["note"].delay(f"n{number}") for number in range(20)]
    one.send("CONT")
    wait_until(lambda: runs(redis, "slow") == 1)
    workers("two")
    assert [job.get(timeout=30) for job in short] == [f"n{number}" for number in range(20)]
    assert not app.AsyncResult(slow.id).ready()
    assert {record(redis, job.id)["consumer"] for job in short} == {"two@test"}
    assert {record(redis, job.id)["attempts"] for job in short} == {"1"}


def test_two_consumers_share_long_jobs_evenly(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """Of six jobs of equal length each consumer runs three, or a slow one two."""
    workers("one"), workers("two")
    jobs = [app.tasks["nap"].delay("even", 0.3) for _ in range(6)]
    for job in jobs:
        job.get(timeout=30)
    consumers = [record(redis, job.id)["consumer"] for job in jobs]
    assert sorted(map(consumers.count, ("one@test", "two@test"))) in ([2, 4], [3, 3])


def test_urgent_jobs_overtake(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """Waiting jobs with the lowest priority number run first; jobs of equal priority keep their order."""
    for name, priority in (("c", 9), ("a", 0), ("d", 9), ("b", 3)):
        app.tasks["note"].apply_async((name,), priority=priority, task_id=name)
    workers()
    wait_until(lambda: nothing_left(redis))
    started = sorted("abcd", key=lambda name: float(record(redis, name)["finished_at"]))
    assert "".join(started) == "abcd"


def test_a_delayed_job_starts_when_it_is_due_and_survives_its_consumers(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """A job with a countdown waits in Redis, so a killed consumer does not matter."""
    victim, _heir = workers("victim"), workers("heir")  # both must be up before the job is due
    due = time.time() + 1.5
    job = app.tasks["note"].apply_async(("later",), countdown=1.5)
    assert queue_depths.depths(redis, ["celery"])["celery"] == {
        "waiting": 0,
        "delayed": 1,
        "running": 0,
        "oldest_age": None,
    }
    victim.kill()
    assert job.get(timeout=30) == "later"
    assert -0.001 <= float(record(redis, job.id)["started_at"]) - due < 3  # records round to milliseconds


def test_an_expired_job_is_revoked(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """A job past its expires time is never run."""
    job = app.tasks["note"].apply_async(("old",), expires=0.1)
    wait_until(lambda: time.time() > float(record(redis, job.id)["submitted_at"]) + 0.2)
    workers()
    wait_until(lambda: app.AsyncResult(job.id).state == "REVOKED")
    assert runs(redis, "old") == 0


def test_a_cancelled_job_never_runs_and_can_be_requeued(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """A waiting or delayed job that is cancelled is revoked at once; it can be requeued."""
    waiting = app.tasks["note"].delay("w").id
    delayed = app.tasks["note"].apply_async(("d",), countdown=0.1).id
    for job_id in (waiting, delayed):
        assert control.cancel_or_collect(redis, job_id).action == "cancelled"  # type: ignore[union-attr]
        assert control.cancel_or_collect(redis, job_id) is None
    assert app.AsyncResult(waiting).state == "REVOKED"
    assert nothing_left(redis)
    workers()
    assert app.tasks["note"].delay("after").get(timeout=30) == "after"
    assert runs(redis, "w") == runs(redis, "d") == 0
    assert control.requeue(redis, [waiting])
    wait_until(lambda: runs(redis, "w") == 1)


@pytest.mark.parametrize("pool", ["solo", "prefork", pytest.param("forked", marks=pytest.mark.heavy)])
def test_a_job_cancelled_while_its_rate_limit_holds_it_back_never_runs(
    app: Celery, redis: Redis, workers: StartWorker, pool: str
) -> None:
    """Its consumer has fetched it already, and goes on with the next job."""
    workers("one", pool, 1)
    app.tasks["held_back"].delay("first")
    wait_until(lambda: runs(redis, "first"))
    job = app.tasks["held_back"].delay("held")
    wait_until(lambda: record(redis, job.id)["status"] == "STARTED")
    outcome = control.cancel_or_collect(redis, job.id)
    assert app.tasks["add"].delay(1, 2).get(timeout=30) == 3
    assert (outcome and outcome.action, record(redis, job.id)["status"]) == ("stopped", "REVOKED")
    assert runs(redis, "held") == 0


def test_an_overwritten_record_holds_no_other_job_of_a_rate_limit_up(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """The job whose record it was does not run; its consumer goes on with the next one of the same task."""
    workers("one", "solo", 1)
    app.tasks["held_back"].delay("before")
    wait_until(lambda: runs(redis, "before"))
    job = app.tasks["held_back"].delay("overwritten")
    wait_until(lambda: record(redis, job.id)["status"] == "STARTED")
    redis.set(f"job:{job.id}", "x")
    app.tasks["held_back"].delay("behind")
    wait_until(lambda: runs(redis, "behind"))
    assert runs(redis, "overwritten") == 0


def test_a_job_cancelled_and_requeued_waits_once_and_for_its_retries(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """No old entry in a queue makes the job run while it waits for its retry."""
    job = app.tasks["again"].apply_async(("once", 1, 30), priority=3)
    control.cancel_or_collect(redis, job.id)
    assert control.requeue(redis, [job.id])
    assert queue_depths.depths(redis, ["celery"])["celery"]["waiting"] == 1
    workers()
    wait_until(lambda: job.state == "RETRY")
    assert app.tasks["add"].apply_async((1, 2), priority=9).get(timeout=30) == 3
    assert runs(redis, "once") == 1


def test_revoke_terminates_a_running_job_and_skips_a_waiting_one(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """Celery's remote control works: terminate ends a run, and revoke drops a waiting job."""
    workers("one", "prefork", 1)
    running, waiting = app.tasks["nap"].delay("t", 30), app.tasks["note"].delay("x")
    wait_until(lambda: runs(redis, "t") == 1)
    app.control.revoke([waiting.id])
    app.control.revoke(running.id, terminate=True)
    wait_until(lambda: {app.AsyncResult(job.id).state for job in (running, waiting)} == {"REVOKED"})
    assert runs(redis, "x") == 0


def test_a_purged_queue_is_empty_and_its_jobs_are_revoked(app: Celery, redis: Redis) -> None:
    """`celery purge` counts and revokes waiting and delayed jobs of all priorities."""
    jobs = [app.tasks["add"].apply_async((1, 2), priority=priority) for priority in (0, 3, 9)]
    jobs.append(app.tasks["add"].apply_async((1, 2), countdown=60))
    assert app.control.purge() == 4
    assert {app.AsyncResult(job.id).state for job in jobs} == {"REVOKED"}
    assert nothing_left(redis)


def test_events_and_remote_control_work(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """Flower gets what it needs: task events with the names of consumers, and replies to inspect."""
    workers("one", "solo", 1, "-E")
    seen: list[str] = []
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": lambda event: seen.append(event["type"])})
        wanted = {"task-sent", "task-received", "task-started", "task-succeeded"}
        capture = receiver.itercapture(limit=None, timeout=10, wakeup=False)
        next(capture)  # subscribed
        app.tasks["add"].delay(1, 2)
        while not wanted <= set(seen):
            next(capture)
    assert wanted <= set(seen)
    assert app.control.inspect(timeout=2).ping() == {"one@test": {"ok": "pong"}}


def test_every_transition_is_published_on_one_channel(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """A subscriber of `jobs` gets PENDING, STARTED and the final status, as small JSON objects."""
    workers()
    with redis.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("jobs")
        job = app.tasks["add"].delay(1, 2)
        seen: list[dict[str, object]] = []

        def finished() -> bool:
            message = pubsub.get_message(timeout=0.1)
            seen.extend([json.loads(message["data"])] if message else [])
            return bool(seen) and seen[-1]["status"] == "SUCCESS"

        wait_until(finished)
    assert [event["status"] for event in seen] == ["PENDING", "STARTED", "SUCCESS"]
    assert {event["job_id"] for event in seen} == {job.id}
    assert set(seen[0]) == {"job_id", "task", "queue", "status", "at", "consumer"}


def test_a_custom_state_shows_while_the_job_runs(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """update_state() is visible, and disturbs neither the lease nor the result."""
    workers("one", "prefork", 1)
    job = app.tasks["progress"].delay(1.5)
    wait_until(lambda: app.AsyncResult(job.id).state == "PROGRESS")
    assert app.AsyncResult(job.id).info == {"done": 1}
    wait_until(lambda: app.AsyncResult(job.id).state == "SUCCESS")


def test_a_consumer_that_ends_its_jobs_well_raises_no_false_alarm(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """Neither while it renews leases beside many short jobs in pool processes, nor when it is asked to stop."""
    one = workers("one", "prefork", 2, lease=0.3, max_attempts=50)
    jobs = [app.tasks["add"].delay(number, 1) for number in range(300)]
    wait_until(lambda: {record(redis, job.id)["status"] for job in jobs} == {"SUCCESS"})
    last = [app.tasks["nap"].delay(f"last{number}", 1.0) for number in range(2)]
    wait_until(lambda: runs(redis, "last0") and runs(redis, "last1"))
    assert one.stop() == 0
    assert {record(redis, job.id)["status"] for job in last} == {"SUCCESS"}
    alarms = re.findall(r"lost the lease of job_id=(\S+):", one.log.read_text())
    # on a busy machine a lease may really expire, which counts as a failed attempt
    assert [job_id for job_id in alarms if not redis.hexists(keys.job(job_id), "deaths")] == []
