"""A Redis that takes connections and answers nothing: no call waits longer than a client may wait, not even the first."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis

from project.celery_config.app import create_celery_app
from project.celery_config.tasks.demo import sum_to_n_job
from project.settings import Settings
from tests.support.http import assert_problem
from tests.support.processes import RedisServer
from tests.support.producer import Producer
from tests.support.stopwatch import takes_less_than
from tests.support.wait import wait_until

pytestmark = pytest.mark.heavy  # measures times
PROMISE = 2.0  # seconds from a request to its 503
CROWD = 200  # requests; at most 40 of them are tried at a time


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis with the job records."""
    with RedisServer(tmp_path_factory.mktemp("records")) as server:
        yield server


@pytest.fixture(scope="module")
def stock_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of its own for the messages, as the stock transport may have."""
    with RedisServer(tmp_path_factory.mktemp("messages")) as server:
        yield server


@pytest.fixture
def stock_app(server: RedisServer, stock_server: RedisServer) -> Iterator[Celery]:
    """The app of a producer on the stock transport."""
    stock_url = stock_server.url.replace("redis://", "redis+stock://")
    app = create_celery_app(Settings(_env_file=None, broker_url=stock_url, redis_url=server.url))
    yield app
    app.close()


@contextmanager
def _frozen(server: RedisServer) -> Iterator[None]:
    server.send("STOP")
    try:
        yield
    finally:
        server.send("CONT")


@pytest.mark.parametrize("broker", ["leased", "stock"])
def test_the_first_request_of_a_new_producer_is_503_in_time(
    server: RedisServer, stock_server: RedisServer, tmp_path: Path, broker: str
) -> None:
    """It has no connection yet, and finds out with its first job that Redis does not answer."""
    stock_url = stock_server.url.replace("redis://", "redis+stock://")
    producer = Producer(tmp_path, server.port, **({"broker_url": stock_url} if broker == "stock" else {})).ready()
    try:
        with producer.client() as http, _frozen(stock_server if broker == "stock" else server):
            with takes_less_than(PROMISE, producer.process.pid):
                response = http.post("/producer/api/sum", json={"number": 1})
            assert_problem(response, 503)
            assert int(response.headers["retry-after"]) > 0
    finally:
        producer.kill()


def test_of_a_crowd_of_first_requests_most_learn_of_the_outage_from_the_others(
    server: RedisServer, tmp_path: Path
) -> None:
    """They wait for a thread, and try nothing themselves; else all would wait for as many attempts, one after another."""
    producer = Producer(tmp_path, server.port).ready()

    async def crowd() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=CROWD)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{producer.port}", timeout=30, limits=limits) as http:
            return await asyncio.gather(*(http.post("/producer/api/sum", json={"number": 1}) for _ in range(CROWD)))

    def connections() -> int:
        with Redis(port=server.port) as client:  # a new connection: Redis accepts it after all others
            return int(client.info("stats")["total_connections_received"])

    before = connections()
    try:
        with _frozen(server):
            answers = asyncio.run(crowd())
        assert connections() - before < CROWD / 2
    finally:
        producer.kill()
    assert {answer.status_code for answer in answers} == {503}


def test_the_overview_is_503_in_time_and_comes_back(server: RedisServer, tmp_path: Path) -> None:
    """Whether Redis is frozen or down, and again for each client."""
    producer = Producer(tmp_path, server.port).ready()

    def look() -> httpx.Response:
        with takes_less_than(PROMISE, producer.process.pid):
            return http.get("/producer/api/overview")

    try:
        with producer.client() as http:
            assert look().status_code == 200
            with _frozen(server):
                wait_until(lambda: look().status_code == 503)  # a sample holds for two seconds
                assert_problem(look(), 503)
            assert look().status_code == 200
            server.kill()
            wait_until(lambda: look().status_code == 503)
            assert_problem(look(), 503)
            server.start()
            assert look().status_code == 200
    finally:
        producer.kill()


def test_the_first_submit_fails_at_once_when_nothing_listens(stock_app: Celery, stock_server: RedisServer) -> None:
    """A refused connection is not tried again after a pause."""
    stock_server.kill()
    try:
        with takes_less_than(PROMISE), pytest.raises(OperationalError):
            stock_app.tasks[sum_to_n_job.name].delay(number=1)
    finally:
        stock_server.start()


def test_a_broadcast_that_cannot_be_sent_fails_in_time(stock_app: Celery, stock_server: RedisServer) -> None:
    """Celery's own broadcast repeats its message forever on a connection that worked before."""
    stock_app.broker.broadcast("stop_job", {"job_id": "x", "run": "1"})
    with _frozen(stock_server), takes_less_than(PROMISE), pytest.raises(OperationalError):
        stock_app.broker.broadcast("stop_job", {"job_id": "x", "run": "1"})
