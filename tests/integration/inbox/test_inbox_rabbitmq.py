"""The inbox with RabbitMQ: each message in the queue `inbox` becomes one job or is rejected with a reason."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import amqp
import pytest

from project.brokers import rabbitmq
from project.celery_config.app import create_celery_app
from project.inbox.messages import LONGEST
from project.inbox.redis_list import INBOX, REJECTED
from project.leased_transport import keys, records
from project.settings import Settings
from tests.chaos.proxy import CuttingProxy
from tests.support.http import assert_problem
from tests.support.inbox import push, rejected
from tests.support.markdown import blocks
from tests.support.processes import RedisServer, Worker
from tests.support.producer import Producer, StartProducer
from tests.support.rabbitmq import RabbitServer
from tests.support.stopwatch import takes_less_than
from tests.support.wait import wait_until

pytestmark = pytest.mark.heavy
QUEUE = rabbitmq.INBOX.name


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """A RabbitMQ of the module's own, not yet started."""
    server = RabbitServer(tmp_path_factory.mktemp("rabbitmq"))
    yield server
    server.kill()


@pytest.fixture(scope="module")
def producer(rabbit: RabbitServer, start: StartProducer) -> Producer:
    """A producer that was there before RabbitMQ: it starts all the same, and finds it later."""
    producer = start(broker_url=rabbit.url)
    rabbit.start()
    return producer


@pytest.fixture
def channel(rabbit: RabbitServer, redis: Any) -> Iterator[Any]:
    """A channel of another program, which has declared the inbox; no job waits."""
    with rabbit.connection() as connection:
        channel = connection.channel()
        channel.queue_declare(QUEUE, durable=True, auto_delete=False)
        declared = [QUEUE, "cpu", rabbitmq.DEAD]
        wait_until(lambda: all(_is_there(rabbit, name) for name in declared), what="the queues are declared")
        for name in (QUEUE, "cpu"):
            channel.queue_purge(name)
        yield channel


def _is_there(rabbit: RabbitServer, queue: str) -> bool:
    with rabbit.connection() as connection, suppress(amqp.NotFound):
        return bool(connection.channel().queue_declare(queue, passive=True))
    return False


def _publish(channel: Any, *messages: Any, **properties: Any) -> None:
    for each in messages:
        text = each if isinstance(each, str | bytes) else json.dumps(each)
        channel.basic_publish(amqp.Message(text, delivery_mode=2, **properties), routing_key=QUEUE)


def _count(channel: Any, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).message_count)


def _consumers(channel: Any) -> int:
    return int(channel.queue_declare(QUEUE, passive=True).consumer_count)


def _jobs(redis: Any) -> list[str]:
    return sorted(key.decode().removeprefix("job:") for key in redis.keys("job:*"))


def _queued(redis: Any, count: int) -> bool:
    jobs = _jobs(redis)
    return len(jobs) == count and all(redis.hexists(keys.job(job_id), "queued") for job_id in jobs)


def _is_past(moment: float) -> bool:
    return time.monotonic() > moment


def test_a_message_becomes_a_job_that_a_consumer_does(
    redis: Any, channel: Any, rabbit: RabbitServer, server: RedisServer, tmp_path: Path
) -> None:
    """Its record is in Redis, its task message in RabbitMQ, and any Celery worker takes it from there."""
    _publish(channel, {"task": "sum", "kwargs": {"number": 10}, "job_id": "mine"})
    wait_until(partial(_queued, redis, 1))
    wait_until(lambda: _count(channel, "cpu") == 1)
    assert (records.read(redis, "mine") or {})["status"] == "PENDING"
    env: dict[str, Any] = {"redis_port": server.port, "run_dir": tmp_path, "consumer_queues": "cpu"}
    worker = Worker(rabbit.url, tmp_path, "one", app="project.consumer", **env)
    try:
        wait_until(lambda: redis.hget("job:mine", "status") == b"SUCCESS")
    finally:
        worker.kill()
    assert (redis.hget("job:mine", "result"), _count(channel, QUEUE), redis.exists(REJECTED)) == (b"55", 0, 0)


def test_the_program_in_the_documentation_submits_a_job(redis: Any, channel: Any, rabbit: RabbitServer) -> None:
    """As it stands there, but for the port."""
    page = Path("docs/how-to/submit-from-other-languages.md")
    (program,) = [block.text for block in blocks(page) if "import amqp" in block.text]
    exec(program.replace("5672", str(rabbit.port)), {})
    wait_until(partial(_queued, redis, 1))
    assert _jobs(redis) == ["from-amqp"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("sum 10", "not JSON"),
        ({"task": "nothing"}, "no task is called 'nothing'"),
        ({"task": "sum", "kwargs": {"number": "ten"}}, "kwargs.number: Input should be a valid integer"),
    ],
)
def test_a_bad_message_is_rejected_with_the_reason(redis: Any, channel: Any, message: Any, reason: str) -> None:
    """In the same Redis list as those that were pushed there; those behind it go on."""
    _publish(channel, message, {"task": "sum", "args": [1]})
    (entry,) = rejected(redis)
    assert entry["message"] == (message if isinstance(message, str) else json.dumps(message))
    assert entry["reason"].startswith(reason)
    wait_until(partial(_queued, redis, 1))


@pytest.mark.parametrize("body", ["", b"\xff", "[" * 5000, "x" * 2 * LONGEST], ids=["empty", "binary", "deep", "long"])
@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"message_id": b"\xff"},
        {"message_id": "\ud800"},
        {"content_type": b"\xff"},
        {"application_headers": {"compression": "gzip"}},
        {"application_headers": {"x": b"\xff"}},
        {"content_encoding": "nonsense"},
    ],
    ids=str,
)
def test_a_message_that_no_client_can_read_is_rejected_once(
    redis: Any, channel: Any, body: str | bytes, properties: dict[str, Any]
) -> None:
    """RabbitMQ passes it on as it is, and would deliver it forever; those behind it go on."""
    _publish(channel, body.encode() if isinstance(body, str) else body, **properties)
    _publish(channel, {"task": "sum", "args": [1]}, **{} if "content_encoding" in properties else properties)
    assert len(rejected(redis)) == 1
    wait_until(partial(_queued, redis, 1))
    assert _count(channel, QUEUE) == 0


def test_a_dead_letter_that_is_not_a_job_is_rejected(redis: Any, channel: Any) -> None:
    """Whatever its headers are; one that is a job ends as it, behind the others."""
    odd: list[dict[str, Any]] = [{}, {"task": ["sum"], "id": 1}, {"task": "gone", "id": "a"}, {"task": "sum", "id": {}}]
    for headers in [*odd, {"task": "sum", "id": "mine"}]:
        message = amqp.Message(b"\xff", application_headers=headers, delivery_mode=2)
        channel.basic_publish(message, routing_key="dead")
    wait_until(lambda: redis.hget("job:mine", "status") == b"FAILURE")
    entry = rejected(redis, len(odd))
    assert all(each["reason"].startswith("RabbitMQ dead-lettered it, and it is not a job") for each in entry)


def test_a_job_that_expires_in_its_queue_is_revoked(
    redis: Any, channel: Any, rabbit: RabbitServer, server: RedisServer
) -> None:
    """As with the other brokers; RabbitMQ gives it to the producer as a dead letter."""
    app = create_celery_app(Settings(_env_file=None, broker_url=rabbit.url, redis_url=server.url))
    job_id = app.tasks["sum"].apply_async(kwargs={"number": 1}, expires=0.2).id
    wait_until(lambda: redis.hget(f"job:{job_id}", "status") == b"REVOKED")
    app.close()


@pytest.mark.parametrize(
    ("deaths", "error"),
    [
        ([("delivery_limit", "cpu"), ("expired", "celery_delayed_1")], "PoisonJob"),
        ([("rejected", "cpu"), ("expired", "celery_delayed_1")], "Rejected"),
    ],
)
def test_a_job_that_was_delayed_fails_for_the_last_reason(
    redis: Any, channel: Any, deaths: list[tuple[str, str]], error: str
) -> None:
    """RabbitMQ delays a message by letting it expire in other queues."""
    found = [{"reason": reason, "queue": queue, "count": 1} for reason, queue in deaths]
    headers = {"task": "sum", "id": error, "x-death": found, "x-first-death-reason": "expired"}
    channel.basic_publish(amqp.Message(b"", application_headers=headers, delivery_mode=2), routing_key="dead")
    wait_until(lambda: redis.hget(f"job:{error}", "status") == b"FAILURE")
    assert json.loads(redis.hget(f"job:{error}", "error"))["type"] == error


@pytest.mark.parametrize("where", ["job_id", "message_id"])
def test_the_same_id_sent_twice_is_one_job_and_one_reason(redis: Any, channel: Any, where: str) -> None:
    """The id may be in the message or, as AMQP has it, on it."""
    inside, outside = ({"job_id": "mine"}, {}) if where == "job_id" else ({}, {"message_id": str(uuid4())})
    _publish(channel, *[{"task": "sum", "args": [1]} | inside] * 2, **outside)
    assert rejected(redis)[0]["reason"] == "A job with this id exists already; nothing was queued."
    assert len(_jobs(redis)) == 1


@pytest.mark.parametrize("where", ["job_id", "message_id"])
def test_a_producer_killed_before_it_acknowledges_leaves_one_job_for_each_message(
    redis: Any, channel: Any, server: RedisServer, rabbit: RabbitServer, start: StartProducer, where: str
) -> None:
    """RabbitMQ delivers the message again, and the other producer sees that it is a job already."""
    victims: list[Producer] = []

    def freeze(_: int, data: bytes) -> None:
        if b"HSET\r\n" in data and b"queued" in data:  # the last thing that is written of a job
            victims[0].send("STOP")

    with CuttingProxy(server.port, freeze) as proxy:
        victims.append(start(port=proxy.port, broker_url=rabbit.url))
        wait_until(lambda: _consumers(channel) == 2, what="both producers read")
        for number in range(4):
            message, named = {"task": "sum", "args": [number]}, {where: f"id-{number}"}
            _publish(channel, message | named) if where == "job_id" else _publish(channel, message, **named)
        wait_until(partial(_queued, redis, 4))
        victims[0].kill()
    wait_until(lambda: _consumers(channel) == 1, what="RabbitMQ sees it")
    _publish(channel, "the end")  # what was delivered again comes before it
    assert [entry["reason"] for entry in rejected(redis)] == ["not JSON"]
    assert (len(_jobs(redis)), _count(channel, "cpu")) == (4, 4)


def test_a_message_waits_in_rabbitmq_while_redis_is_away(redis: Any, channel: Any, server: RedisServer) -> None:
    """And is one job when Redis is back, though it named no id and was tried more than once."""
    server.send("STOP")
    try:
        _publish(channel, {"task": "sum", "args": [1]}, "not a job")
        wait_until(partial(_is_past, time.monotonic() + 2.5))
    finally:
        server.send("CONT")
    assert rejected(redis)[0]["reason"] == "not JSON"
    assert _queued(redis, 1)


def test_a_frozen_or_restarted_rabbitmq_delays_messages_and_no_stop(
    redis: Any, channel: Any, rabbit: RabbitServer, start: StartProducer, producer: Producer
) -> None:
    """A producer stops soon also while RabbitMQ does not answer; the other goes on when it is back."""
    _publish(channel, {"task": "sum", "args": [1]})
    wait_until(partial(_queued, redis, 1))
    second = start(broker_url=rabbit.url)
    wait_until(lambda: _consumers(channel) == 2, what="both producers read")
    rabbit.signal_all("STOP")
    with takes_less_than(10, second.process.pid):
        second.stop()
    rabbit.kill()
    with producer.client() as http:
        assert_problem(http.post("/producer/api/sum", json={"number": 1}), 503)
    push(redis, {"task": "sum", "args": [2]})
    rabbit.start()
    with rabbit.connection() as connection:
        _publish(connection.channel(), {"task": "sum", "args": [3]})
        wait_until(partial(_queued, redis, 3))
    assert redis.exists(INBOX, REJECTED) == 0
