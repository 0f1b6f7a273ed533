"""Outages: Redis restarts, fails over or loses its scripts; for comparison, what kombu's own transport does."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis
from redis.exceptions import ConnectionError, ResponseError

from project.brokers import queue_depths
from project.leased_transport import records, scripts
from project.leased_transport.standby import PROGRAM
from tests.support.processes import RedisServer, Worker
from tests.support.transport_app import create_app
from tests.support.transport_fixtures import LEASE, StartWorker
from tests.support.wait import wait_until

HEAVY = [pytest.param(pool, marks=pytest.mark.heavy) for pool in ("solo", "prefork", "forked")]
POOLS = ["solo", "threads", "prefork", HEAVY[-1]]
SLOW_POOLS = ["threads", *HEAVY]


@pytest.fixture(params=["always", "everysec"])
def durable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of its own with an append-only file."""
    with RedisServer(tmp_path, "--appendonly", "yes", "--appendfsync", request.param) as server:
        yield server


def test_a_redis_restart_loses_no_job(durable: RedisServer, workers: StartWorker) -> None:
    """Ended, running, waiting and delayed jobs all survive SIGKILL of Redis; the worker reconnects."""
    app = create_app(durable.url, lease=LEASE, socket_timeout=2)
    workers("one", "threads", 2, url=durable.url)
    ended = app.tasks["add"].delay(1, 2)
    wait_until(ended.ready)
    jobs = [app.tasks["nap"].delay("r", 1.0) for _ in range(4)]
    jobs.append(app.tasks["add"].apply_async((2, 3), countdown=1))
    wait_until(lambda: durable.client.llen("runs:r") >= 2)
    # with everysec and a slow disk Redis answers before it writes: tests/chaos/test_slow_disk.py
    wait_until(lambda: durable.client.info("persistence")["aof_buffer_length"] == 0)
    durable.kill()
    durable.start()
    wait_until(lambda: all(app.AsyncResult(job.id).state == "SUCCESS" for job in (ended, *jobs)))
    assert queue_depths.depths(durable.client, ["celery"])["celery"]["running"] == 0


@pytest.mark.parametrize(
    ("pool", "sign"),
    [
        ("prefork", b"Connection to Redis lost"),
        pytest.param("forked", b"cannot renew 1 leases", marks=pytest.mark.heavy),
    ],
)
def test_a_failover_is_waited_out(server: RedisServer, workers: StartWorker, pool: str, sign: bytes) -> None:
    """While Redis is a read-only replica, a publish fails, and the worker neither crashes nor loses a result."""
    app = create_app(server.url, lease=LEASE)
    worker = workers("one", pool, 1)
    job = app.tasks["nap"].delay("ro", 3.0)
    wait_until(lambda: server.client.llen("runs:ro") == 1)
    server.client.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(app.tasks["add"].OperationalError):
            app.tasks["add"].delay(1, 2)
        wait_until(lambda: sign in worker.log.read_bytes())
    finally:
        server.client.replicaof("NO", "ONE")
    assert app.tasks["add"].delay(1, 2).get(timeout=30) == 3
    assert wait_until(lambda: app.AsyncResult(job.id).ready() and worker.process.poll() is None)
    assert (app.AsyncResult(job.id).state, server.client.llen("runs:ro")) == ("SUCCESS", 1)


def _processes(worker: Worker) -> set[int]:
    """Return the processes that run jobs, and those beside them; but not the standby process."""
    children = psutil.Process(worker.process.pid).children()
    return {child.pid for child in children if str(PROGRAM) not in child.cmdline()}


@pytest.mark.parametrize("pool", SLOW_POOLS)
def test_a_redis_whose_disk_is_full_is_waited_out(server: RedisServer, workers: StartWorker, pool: str) -> None:
    """A job that ends meanwhile has run once, and no process of its consumer has ended."""
    app = create_app(server.url)
    worker = workers("one", pool, 2, lease=30)
    job = app.tasks["nap"].delay("disk", 1.0)
    wait_until(lambda: server.client.llen("runs:disk") == 1)
    before, begun = _processes(worker), time.monotonic()
    with server.disk_full():
        wait_until(lambda: time.monotonic() > begun + 3)
    assert app.tasks["add"].delay(1, 2).get(timeout=30) == 3
    assert job.get(timeout=30)
    assert server.client.llen("runs:disk") == 1
    assert (worker.process.poll(), _processes(worker)) == (None, before)


@pytest.mark.heavy
def test_a_busy_consumer_whose_health_check_is_refused_goes_on(server: RedisServer, workers: StartWorker) -> None:
    """A Redis whose disk is full refuses even a PING, which kombu sends while all slots are busy."""
    app = create_app(server.url)
    worker = workers("one", "prefork", 1, lease=30, health_check_interval=0.5)
    job = app.tasks["nap"].delay("ping", 5)
    wait_until(lambda: server.client.llen("runs:ping") == 1)
    with server.disk_full():
        wait_until(lambda: b"Connection to Redis lost" in worker.log.read_bytes())
    assert job.get(timeout=30) and server.client.llen("runs:ping") == 1
    assert app.tasks["add"].delay(1, 2).get(timeout=30) == 3
    assert worker.process.poll() is None


def test_a_consumer_that_starts_while_the_disk_of_redis_is_full_waits(
    server: RedisServer, workers: StartWorker
) -> None:
    """It runs jobs as soon as Redis can write."""
    app = create_app(server.url)
    job = app.tasks["add"].delay(1, 2)
    with server.disk_full():
        worker = workers("one", ready=False)
        wait_until(lambda: b"Cannot connect to" in worker.log.read_bytes())
    assert job.get(timeout=30) == 3
    assert worker.process.poll() is None


@pytest.mark.parametrize("pool", POOLS)
def test_an_idle_consumer_waits_out_a_failover(server: RedisServer, workers: StartWorker, pool: str) -> None:
    """Redis interrupts its wait for jobs, as it becomes a replica."""
    app = create_app(server.url)
    worker = workers("one", pool, 1)
    wait_until(lambda: any((each["cmd"], each["flags"]) == ("brpop", "b") for each in server.client.client_list()))
    before = _processes(worker)
    server.client.replicaof("127.0.0.1", "1")
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() > begun + 2)
    server.client.replicaof("NO", "ONE")
    assert app.tasks["add"].delay(1, 2).get(timeout=30) == 3
    assert (worker.process.poll(), _processes(worker)) == (None, before)


@pytest.mark.parametrize("pool", POOLS)
def test_a_consumer_that_starts_while_redis_is_full_works_the_queue_off(
    server: RedisServer, workers: StartWorker, pool: str
) -> None:
    """It also reconnects then."""
    app = create_app(server.url)
    jobs = [app.tasks["add"].delay(number, 1) for number in range(10)]
    with server.full():
        worker = workers("one", pool, 2, ready=False)
        wait_until(lambda: all(job.state == "SUCCESS" for job in jobs))
        server.client.client_kill_filter(_type="normal", skipme=True)
        wait_until(lambda: b"Connection to broker lost" in worker.log.read_bytes())
    before = _processes(worker)
    assert app.tasks["add"].delay(1, 2).get(timeout=30) == 3
    assert (worker.process.poll(), _processes(worker)) == (None, before)


def test_a_full_redis_lets_a_running_job_keep_its_lease(server: RedisServer, workers: StartWorker) -> None:
    """A job that takes four lease times runs once, although an idle consumer reaps leases that expire."""
    app = create_app(server.url, lease=1)
    workers("one", lease=1), workers("two", lease=1)
    job = app.tasks["nap"].delay("oom", 4.0)
    wait_until(lambda: server.client.llen("runs:oom") == 1)
    with server.full():
        wait_until(job.ready)
    assert (job.state, server.client.llen("runs:oom")) == ("SUCCESS", 1)


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_full_redis_lets_a_running_job_report(server: RedisServer, workers: StartWorker, pool: str) -> None:
    """The reports of a running job are written, in every pool, and the consumer goes on."""
    app = create_app(server.url, lease=LEASE)
    worker = workers("one", pool, 2)
    worker.signal_all("STOP")
    job = app.tasks["progress"].delay(3)
    with server.full():
        worker.signal_all("CONT")
        wait_until(lambda: job.state == "PROGRESS")
        wait_until(lambda: job.state == "SUCCESS")


def test_a_worker_goes_on_when_the_script_cache_is_lost(
    server: RedisServer, redis: Redis, workers: StartWorker
) -> None:
    """After SCRIPT FLUSH a running worker needs one more round trip."""
    app = create_app(server.url, lease=LEASE)
    workers()
    assert app.tasks["add"].delay(1, 2).get(timeout=30) == 3
    redis.script_flush()
    assert app.tasks["add"].delay(2, 2).get(timeout=30) == 4


@pytest.mark.parametrize(
    "text",
    [
        *("READONLY You can't write", "LOADING Redis is loading", "TRYAGAIN", "MASTERDOWN"),
        *("MISCONF Errors writing to the AOF file", "UNBLOCKED force unblock", "BUSY Redis is busy running a script."),
    ],
)
def test_what_passes_by_itself_is_a_connection_error(text: str) -> None:
    """Errors of a server that starts or fails over make kombu reconnect; other errors do not."""
    assert isinstance(scripts.recoverable(ResponseError(f"ERR Error running script: -{text}")), ConnectionError)
    assert isinstance(scripts.recoverable(ResponseError("WRONGTYPE")), ResponseError)


def stock(server: RedisServer) -> str:
    """Return the URL that selects kombu's own transport."""
    return server.url.replace("redis://", "redis+stock://")


def test_stock_transport_runs_a_long_job_more_than_once(
    server: RedisServer, redis: Redis, workers: StartWorker
) -> None:
    """For comparison: kombu's own transport has no renewal, so a job longer than its visibility timeout is duplicated."""
    app = create_app(stock(server))
    workers("one", url=stock(server)), workers("two", url=stock(server))
    app.tasks["nap"].delay("dup", 3.0)
    wait_until(lambda: redis.llen("runs:dup") > 1)


def test_stock_transport_loses_a_job_that_its_consumer_never_got_to_note(
    server: RedisServer, redis: Redis, tmp_path: Path
) -> None:
    """For comparison: kombu's own transport pops a job before it notes it; a consumer killed in between loses the job."""
    app = create_app(stock(server))
    worker = Worker(stock(server), tmp_path, "victim")
    try:
        worker.ready()
        wait_until(lambda: any((each["cmd"], each["flags"]) == ("brpop", "b") for each in redis.client_list()))
        worker.send("STOP")  # blocked in BRPOP: Redis sends the next job although the process does not read
        job = app.tasks["note"].delay("lost")
        wait_until(lambda: redis.llen("celery") == 0)
        worker.kill()
    finally:
        worker.kill()
    assert (redis.llen("celery"), redis.hlen("unacked"), app.AsyncResult(job.id).state) == (0, 0, "PENDING")


def test_leased_transport_keeps_a_job_that_its_consumer_never_got_to_note(
    server: RedisServer, redis: Redis, workers
) -> None:
    """With leases the consumer has only been woken at that moment: the job waits, and another consumer runs it."""
    app = create_app(server.url, lease=LEASE)
    victim = workers("victim")
    wait_until(lambda: any(client["cmd"] == "brpop" for client in redis.client_list()))
    victim.send("STOP")
    job = app.tasks["note"].delay("kept")
    victim.kill()
    workers("heir")
    assert job.get(timeout=30) == "kept"
    assert json.loads(records.read(redis, job.id)["result"]) == "kept"  # type: ignore[index]
