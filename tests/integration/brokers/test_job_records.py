"""Job records with kombu's own transport, in another Redis than the broker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from project.leased_transport import control, keys, scripts
from tests.support.processes import RedisServer, Worker
from tests.support.task_fixtures import Tasks
from tests.support.wait import wait_until


@pytest.fixture(scope="module")
def records_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis of the records."""
    with RedisServer(tmp_path_factory.mktemp("records")) as server:
        yield server


@pytest.fixture(scope="module")
def tasks(
    session_server: RedisServer, records_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Tasks]:
    """A producer."""
    url = session_server.url.replace("redis://", "redis+stock://").replace("/0", "/1")
    tasks = Tasks(url, records_server, tmp_path_factory.mktemp("workers"), records_server.url)
    yield tasks
    tasks.kill_workers()


@pytest.fixture(scope="module")
def worker(tasks: Tasks) -> Worker:
    """A solo worker that serves the queue `unleased`."""
    return tasks.worker("unleased", "solo")


def test_a_job_runs_though_the_redis_of_the_records_is_full(tasks: Tasks, worker: Worker) -> None:
    """What a run writes first frees memory, so that the rest gets through."""
    worker.send("STOP")
    job_id = tasks.app.tasks["sum"].apply_async((3,), queue="unleased").id
    with tasks.server.full():
        worker.send("CONT")
        record = tasks.ended(job_id)
    assert (record["status"], record.get("error"), record.get("result")) == ("SUCCESS", None, 6)


def test_waiting_jobs_are_counted_where_their_messages_are(tasks: Tasks) -> None:
    """That is the Redis of the broker."""
    tasks.app.tasks["sum"].apply_async((3,), queue="uncounted")
    assert tasks.app.broker.depths(["uncounted"])["uncounted"]["waiting"] == 1


def test_only_a_job_that_is_still_wanted_is_delayed_by_its_retry(tasks: Tasks, worker: Worker) -> None:
    """One that was cancelled while it ran waits for nothing."""
    jobs = {name: tasks.submit("try_again_later", name, queue="unleased") for name in ("wanted", "cancelled")}
    for name, job_id in jobs.items():
        tasks.came(name)
        if name == "cancelled":
            control.cancel_or_collect(tasks.redis, job_id)
        tasks.open(name)
    wait_until(lambda: tasks.log("unleased").count(b"error=Retry: 'Retry in 60s'") == 2)
    # the record of a job that another program submitted names the queue that its task declares
    assert tasks.redis.zrange("delayed:default", 0, -1) == [jobs["wanted"].encode()]
    assert [tasks.record(job_id)["status"] for job_id in jobs.values()] == ["RETRY", "REVOKED"]


def test_a_report_without_a_state_is_stored(tasks: Tasks, worker: Worker) -> None:
    """The job stays STARTED, and ends as any other."""
    job_id = tasks.submit("report_without_a_state", queue="unleased")
    assert tasks.ended(job_id)["status"] == "SUCCESS"
    assert tasks.redis.hget(keys.job(job_id), "meta") == b'{"done": 3}'


def test_a_job_that_reports_a_state_of_its_own_still_counts_as_running(tasks: Tasks, worker: Worker) -> None:
    """It is listed with its consumer until it ends."""
    job_id = tasks.submit("report_a_state", "listed", queue="unleased")
    tasks.came("listed")
    assert tasks.redis.hget(keys.job(job_id), "status") == b"COUNTING"
    queue = tasks.redis.hget(keys.job(job_id), "queue").decode()
    assert tasks.redis.zrange(keys.leases(queue), 0, -1) == [job_id.encode()]
    tasks.open("listed")
    assert tasks.ended(job_id)["status"] == "SUCCESS"
    assert tasks.redis.zcard(keys.leases(queue)) == 0


def test_a_full_redis_takes_a_state_of_a_jobs_own(tasks: Tasks) -> None:
    """The report frees memory first, as that of an end does."""
    record = {"status": "STARTED", "nonce": "n", "token": "1", "queue": "unleased", "task": "report_a_state"}
    tasks.redis.hset(keys.job("counts"), mapping=record)
    report = ["counts", "n", "1", "COUNTING", 60, "", "meta", '{"done": 3}']
    with tasks.server.full():
        assert scripts.REPORT(tasks.redis, [keys.job("counts")], report) == 1
    assert tasks.redis.hget(keys.job("counts"), "status") == b"COUNTING"


def test_an_id_with_control_characters_is_refused(tasks: Tasks) -> None:
    """As with leases; the job leaves no record."""
    with pytest.raises(ValueError, match="no control characters"):
        tasks.app.tasks["sum"].apply_async((3,), task_id="a\nb", queue="uncounted")
    assert not tasks.redis.exists(keys.job("a\nb"))


def test_an_ignored_job_does_not_run_for_ever(tasks: Tasks, worker: Worker) -> None:
    """Its record expires, as with leases, and it does not count as running."""
    job_id = tasks.submit("look_away", queue="unleased")
    wait_until(lambda: tasks.redis.ttl(keys.job(job_id)) > 0)
    assert tasks.redis.zscore("leases:default", job_id) is None
    assert not tasks.redis.sismember(keys.broker("stock"), job_id)


def test_a_retry_is_recorded_before_its_message_is_sent(
    session_server: RedisServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Otherwise a quick consumer begins the next attempt first, and the last one counts as a crash."""
    with RedisServer(tmp_path) as broker:
        url = broker.url.replace("redis://", "redis+stock://").replace("/0", "/1")
        tasks = Tasks(url, session_server, tmp_path_factory.mktemp("workers"), session_server.url)
        tasks.worker("retrying", "solo")
        job_id = tasks.submit("try_again_later", "recorded", queue="retrying")
        tasks.came("recorded")
        broker.send("STOP")
        tasks.open("recorded")
        wait_until(lambda: tasks.record(job_id)["status"] == "RETRY", what="the retry is recorded")
        broker.send("CONT")
        wait_until(lambda: b"error=Retry: 'Retry in 60s'" in tasks.log("retrying"), what="the retry is sent")
        assert len(tasks.record(job_id)["runs"].splitlines()) == 1
        tasks.kill_workers()
