"""Jobs that hold the interpreter's lock for longer than their lease: no thread of their process can renew it."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme
from celery import Celery
from redis import ConnectionPool, Redis

from project.leased_transport import keys
from project.leased_transport.lease_board import Lease
from project.leased_transport.standby import PROGRAM, Standby
from tests.chaos import protocol
from tests.support.processes import RedisServer, Worker
from tests.support.transport_fixtures import StartWorker
from tests.support.wait import wait_until

LONG = 4.0  # seconds: a lease that does not expire on a busy machine
StandBy = Callable[..., Standby]
SHORT = 0.6  # seconds: a lease that only the standby process renews


def _runs(redis: Redis, name: str) -> int:
    return int(redis.llen(f"runs:{name}"))


def _due(redis: Redis) -> float:
    return float(redis.zscore(keys.leases(protocol.QUEUE), "a") or 0)


def _now(redis: Redis) -> float:
    seconds, microseconds = redis.time()
    return float(seconds + microseconds / 1e6)


def _standby(worker: Worker) -> list[psutil.Process]:
    """Return the standby process of a worker, once it runs."""
    found = []
    for child in psutil.Process(worker.process.pid).children():
        with suppress(psutil.NoSuchProcess):
            if str(PROGRAM) in child.cmdline():
                found.append(child)
    return found


@pytest.mark.heavy
@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_a_job_that_holds_the_interpreters_lock_for_longer_than_its_lease_runs_once(
    app: Celery, redis: Redis, workers: StartWorker, pool: str
) -> None:
    """A standby process renews its lease, while the test reaps expired leases all the time."""
    workers("one", pool, lease=LONG)
    job = app.tasks["grip"].delay("grip", 7)
    wait_until(lambda: protocol.renew_and_reap(redis) or job.ready())
    record: Any = redis.hgetall(f"job:{job.id}")
    assert (_runs(redis, "grip"), record[b"status"], record[b"token"]) == (1, b"SUCCESS", b"1")


def test_a_frozen_consumer_loses_its_lease(app: Celery, redis: Redis, workers: StartWorker) -> None:
    """The standby process is not frozen with it, and notices that the consumer is stopped."""
    one = workers("one")
    job = app.tasks["nap"].delay("frozen", 60)
    wait_until(lambda: _runs(redis, "frozen") == 1)
    one.send("STOP")
    wait_until(lambda: protocol.renew_and_reap(redis) or job.state == "PENDING")


def test_the_process_that_stands_by_is_small_and_ends_with_its_consumer(workers: StartWorker) -> None:
    """It ignores signals to the process group, as Ctrl-C sends them; if it is killed, the consumer starts a new one."""
    worker = workers("one", "threads")
    (standby,) = wait_until(lambda: _standby(worker))
    assert standby.memory_full_info().uss < 8 * 2**20
    for number in (2, 15):
        standby.send_signal(number)
    standby.kill()
    (again,) = wait_until(lambda: [each for each in _standby(worker) if each.pid != standby.pid])
    worker.process.kill()
    again.wait(5)


@pytest.fixture
def leased(server: RedisServer) -> Iterator[Redis]:
    """A Redis with one leased job, in another database than 0."""
    with Redis(port=server.port, db=3) as client:
        client.flushdb()
        protocol.admit(client, "a", "n")
        protocol.fetch(client, lease=SHORT)
        yield client


@pytest.fixture
def stand_by() -> Iterator[StandBy]:
    """Start the standby process of this process, which never renews the lease itself."""
    running: list[Standby] = []

    def start(url: str, limit: float = 60, **options: Any) -> Standby:
        standby = Standby(ConnectionPool.from_url(url, **options), "test", SHORT, 3, 60)
        running.append(standby)
        standby.show([Lease("a", 1, protocol.QUEUE, limit)])
        return standby

    yield start
    for standby in running:
        standby.close()


def _renewed_twice(redis: Redis) -> None:
    for _ in range(2):
        wait_until(partial(_is_later, redis, _due(redis)))


def _is_later(redis: Redis, due: float) -> bool:
    return _due(redis) > due


def test_it_logs_in_and_selects_the_database(server: RedisServer, leased: Redis, stand_by: StandBy) -> None:
    """With a user and a password that need quoting."""
    leased.execute_command("ACL", "SETUSER", "joe", "on", ">p w'ö%", "~*", "&*", "+@all")
    stand_by(f"redis://joe:p%20w%27%C3%B6%25@127.0.0.1:{server.port}/3")
    _renewed_twice(leased)


def test_it_speaks_through_a_unix_socket(tmp_path: Path, stand_by: StandBy) -> None:
    """Some hosts offer Redis only this way."""
    with RedisServer(tmp_path, "--unixsocket", str(tmp_path / "redis.sock")) as server:
        protocol.admit(server.client, "a", "n")
        protocol.fetch(server.client, lease=SHORT)
        stand_by(f"unix://{tmp_path}/redis.sock")
        _renewed_twice(server.client)


def test_it_speaks_tls(server: RedisServer, leased: Redis, tmp_path: Path, stand_by: StandBy) -> None:
    """It trusts the certificates that its consumer trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with _tls_in_front_of(server.port, authority) as port:
        stand_by(f"rediss://localhost:{port}/3", ssl_ca_certs=str(tmp_path / "ca.pem"))
        _renewed_twice(leased)


def test_a_hard_time_limit_ends_the_renewals(server: RedisServer, leased: Redis, stand_by: StandBy) -> None:
    """A job that never releases the lock loses its lease in the end."""
    stand_by(f"{server.url[:-1]}3", limit=6 * SHORT)
    wait_until(partial(_is_later, leased, _due(leased)))
    wait_until(lambda: _now(leased) > _due(leased) + 2 * SHORT, what="nothing renews the lease")


def test_it_reports_only_leases_that_it_renews(capfd: pytest.CaptureFixture[str], stand_by: StandBy) -> None:
    """While Redis is away it renews none, and no job is to blame."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stand_by(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", socket_timeout=SHORT)
        for _ in range(3):
            connection, _address = listener.accept()  # the renewal, which fails
            connection.close()
    assert capfd.readouterr().err == ""


def test_more_leases_than_there_is_room_for_are_shown_in_part(
    server: RedisServer, leased: Redis, stand_by: StandBy
) -> None:
    """The first leases are kept."""
    standby = stand_by(server.url[:-1] + "3")
    standby.show([Lease("a", 1, protocol.QUEUE), *(Lease(str(n) * 100, 1, "queue") for n in range(9000))])
    _renewed_twice(leased)


@contextmanager
def _tls_in_front_of(port: int, authority: trustme.CA) -> Iterator[int]:
    """Run a TLS endpoint in front of a port, for one request and its answer per connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_pass_on, args=(listener, context, port), daemon=True).start()
        yield int(listener.getsockname()[1])


def _pass_on(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):  # the test is over
        while True:
            client = context.wrap_socket(listener.accept()[0], server_side=True)
            with client, socket.create_connection(("127.0.0.1", port)) as redis:
                request = b""
                while not request.endswith(b"QUIT\r\n"):
                    request += client.recv(65536)
                redis.sendall(request)
                while answer := redis.recv(65536):
                    client.sendall(answer)
