"""The pool `forked`: its slots are processes that fetch jobs themselves, and their consumer watches them."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import Celery
from redis import Redis

from project.leased_transport import keys, scripts
from tests.integration.leased_transport.test_delivery import record, runs
from tests.support.processes import ROOT, RedisServer, Worker, clean_environment
from tests.support.terminal import alive
from tests.support.transport_fixtures import StartWorker
from tests.support.wait import wait_until

pytestmark = pytest.mark.heavy


def _children(worker: Worker) -> dict[int, psutil.Process]:
    return {child.pid: child for child in psutil.Process(worker.process.pid).children()}


def _front(app: Celery) -> int:
    """Return the process that answers remote control commands."""
    stats = wait_until(lambda: app.control.inspect(timeout=0.5).stats())
    return int(stats["one@test"]["pid"])


def test_a_job_is_killed_at_its_hard_limit_while_it_holds_the_interpreters_lock(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """Soon after it, and its lease does not expire before; the other slot and later jobs are not affected."""
    workers("one", "forked", 2)
    beside = app.tasks["nap"].delay("beside", 3)
    job = app.tasks["grip"].apply_async(("grip", 60), time_limit=2)
    wait_until(lambda: record(redis, job.id)["status"] == "FAILURE")
    ended = record(redis, job.id)
    assert 1.9 < float(ended["finished_at"]) - float(ended["started_at"]) < 5
    assert "TimeLimitExceeded" in record(redis, job.id)["error"]
    assert record(redis, job.id)["attempts"] == "1"
    assert app.tasks["add"].delay(1, 2).get(timeout=20) == 3
    assert beside.get(timeout=20) and record(redis, beside.id)["attempts"] == "1"


def test_a_job_gets_an_exception_at_its_soft_limit(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """Its process stays, and runs the next job."""
    workers("one", "forked", 1)
    before = app.tasks["nap"].delay("before", 0).get(timeout=20)
    job = app.tasks["nap"].apply_async(("long", 20), soft_time_limit=1)
    wait_until(lambda: record(redis, job.id).get("status") == "FAILURE")
    assert "SoftTimeLimitExceeded" in record(redis, job.id)["error"]
    assert app.tasks["nap"].delay("after", 0).get(timeout=20) == before


def test_a_consumer_is_one_worker_for_the_outside(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """It answers once, and shows the jobs of all slots; Celery's own `revoke` can terminate one of them."""
    workers("one", "forked", 2)
    jobs = [app.tasks["nap"].delay(f"active{number}", 20) for number in range(2)]
    wait_until(lambda: runs(redis, "active0") and runs(redis, "active1"))
    assert app.control.ping(timeout=1) == [{"one@test": {"ok": "pong"}}]
    active = app.control.inspect(timeout=1).active()["one@test"]
    assert {(job["id"], job["name"]) for job in active} == {(job.id, "nap") for job in jobs}
    app.control.revoke(jobs[0].id, terminate=True)
    wait_until(lambda: record(redis, jobs[0].id)["status"] == "REVOKED")
    assert app.tasks["add"].delay(1, 2).get(timeout=20) == 3
    assert record(redis, jobs[1].id)["status"] == "STARTED"


def test_a_job_whose_slot_crashes_counts_an_attempt_and_no_other_job_does(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """The jobs that its process had fetched but not begun go back as they were."""
    ids = [app.tasks["note"].delay(f"n{number}").id for number in range(20)]
    job = app.tasks["die"].delay("poison")
    ids += [app.tasks["note"].delay(f"m{number}").id for number in range(20)]
    workers("one", "forked", 1)
    wait_until(lambda: record(redis, job.id)["status"] == "FAILURE")
    assert "PoisonJob" in record(redis, job.id)["error"]
    assert runs(redis, "poison") == 3
    wait_until(lambda: all(record(redis, each)["status"] == "SUCCESS" for each in ids))
    assert not any(redis.hexists(keys.job(each), "deaths") for each in ids)


def test_slots_end_with_their_consumer(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """Also when it is killed without warning, so that no attempt runs beside the next one."""
    worker = workers("one", "forked", 2)
    app.tasks["nap"].delay("orphan", 20)
    wait_until(lambda: runs(redis, "orphan"))
    children = _children(worker)
    assert len(children) == 3
    worker.process.kill()
    wait_until(lambda: not any(alive(child) for child in children.values()))


def test_a_killed_process_of_a_consumer_is_started_again(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """The process that answers remote control commands, without harm to running jobs, and an idle slot."""
    worker = workers("one", "forked", 2)
    job = app.tasks["nap"].delay("long", 4)
    wait_until(lambda: runs(redis, "long"))
    before, running = _front(app), int(redis.lindex("runs:long", 0) or b"0")
    for pid in _children(worker).keys() - {running}:
        os.kill(pid, 9)
    assert job.get(timeout=20) == running
    assert record(redis, job.id)["attempts"] == "1"
    wait_until(lambda: len(_children(worker)) == 3)
    assert _front(app) != before


def test_sighup_ends_the_running_job_and_begins_the_consumer_anew(
    app: Celery, redis: Redis, server: RedisServer
) -> None:
    """As it does with Celery's other pools: in the same process, which can be stopped as before."""
    celery = str(Path(sys.executable).with_name("celery"))
    command = [celery, "-A", "tests.support.transport_app", "worker", "-P", "custom", "-c", "1", "-l", "error"]
    environment = clean_environment() | {"BROKER_URL": server.url, "LEASE": "1", "PYTHONPATH": str(ROOT)}
    environment["CELERY_CUSTOM_WORKER_POOL"] = "project.leased_transport.forked:TaskPool"
    with psutil.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as consumer:
        try:
            job = app.tasks["nap"].delay("hangup", 2)
            wait_until(lambda: runs(redis, "hangup"))
            before = {child.pid for child in consumer.children()}
            consumer.send_signal(signal.SIGHUP)
            assert job.get(timeout=20) in before and record(redis, job.id)["attempts"] == "1"
            assert app.tasks["nap"].delay("after", 0).get(timeout=20) not in before
            consumer.terminate()
            assert consumer.wait(20) == 0
        finally:
            with suppress(psutil.NoSuchProcess):
                consumer.kill()


def test_a_process_is_replaced_after_its_number_of_jobs(app: Celery, workers: StartWorker) -> None:
    """As --max-tasks-per-child says."""
    workers("one", "forked", 1, "--max-tasks-per-child", "2")
    pids: list[Any] = [app.tasks["nap"].delay("short", 0).get(timeout=20) for _ in range(6)]
    assert len(set(pids)) >= 3


def test_a_rate_limit_is_that_of_the_consumer_and_not_of_each_slot(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """Two jobs per second: six jobs, of which each slot begins one at once, take two seconds."""
    workers("one", "forked", 2)
    jobs = [app.tasks["limited"].delay() for _ in range(6)]
    assert all(job.get(timeout=20) for job in jobs)
    ended = sorted(float(record(redis, job.id)["finished_at"]) for job in jobs)
    assert ended[-1] - ended[0] > 1.5


def test_expired_leases_of_a_queue_that_was_added_are_reaped(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """The remote control command add_consumer holds for the whole consumer, not for its slots only."""
    job = app.tasks["note"].apply_async(("added",), queue="added")
    scripts.FETCH(redis, ["added"], [1, 0.1, "dead", 0, 3, 5, 6, 9])  # by a consumer that was killed
    workers("one", "forked", 1)
    assert app.tasks["add"].delay(1, 2).get(timeout=20) == 3  # its slot is up, and listens too
    assert app.control.add_consumer("added", reply=True, timeout=5)
    assert job.get(timeout=20) == "added"
    assert record(redis, job.id)["attempts"] == "2"


def test_a_replaced_process_serves_the_queues_that_were_added_and_not_those_that_were_cancelled(
    app: Celery, redis: Redis, workers: StartWorker
) -> None:
    """The same holds for the process that answers remote control commands."""
    workers("one", "forked", 1, "--max-tasks-per-child", "1")
    before = _front(app)
    assert app.control.add_consumer("added", reply=True, timeout=5)
    os.kill(before, 9)
    wait_until(lambda: _front(app) != before)
    for number in range(3):
        assert app.tasks["note"].apply_async((f"n{number}",), queue="added").get(timeout=20) == f"n{number}"
    served = app.control.inspect(timeout=5).active_queues()["one@test"]
    assert {queue["name"] for queue in served} == {"celery", "added"}
    assert app.control.cancel_consumer("added", reply=True, timeout=5)
    assert app.tasks["add"].delay(1, 2).get(timeout=20) == 3  # by the process that has heard the command, or before
    app.tasks["note"].apply_async(("waits",), queue="added")
    for _ in range(3):
        assert app.tasks["add"].delay(1, 2).get(timeout=20) == 3
    assert redis.llen("added") == 1
