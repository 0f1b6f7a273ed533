"""Another project with stock Celery: `send_task` becomes a job under the same checks, and nothing of it is dropped."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from project.brokers import queue_depths
from project.inbox.redis_list import INBOX, REJECTED
from project.leased_transport import records
from tests.support.inbox import LARGEST_MAIL, LIMIT, jobs, rejected
from tests.support.processes import RedisServer, Worker
from tests.support.producer import StartProducer
from tests.support.wait import wait_until


@pytest.fixture
def other(server: RedisServer, redis: Redis) -> Iterator[Celery]:
    """The app of another project: nothing set but the broker's address."""
    app = Celery("other", broker=server.url, set_as_current=False)
    yield app
    app.close()


@pytest.fixture(scope="module")
def consumer(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Our consumer."""
    folder = tmp_path_factory.mktemp("consumer")
    worker = Worker(server.url, folder, "one", app="project.consumer", run_dir=folder).ready()
    yield worker
    worker.kill()


@pytest.fixture
def thawed(consumer: Worker) -> Iterator[Worker]:
    """Our consumer, which goes on after the test whatever it did to it."""
    yield consumer
    consumer.send("CONT")


def _ended(redis: Any, job_id: str) -> dict[str, str]:
    def result() -> dict[str, str] | None:
        record = records.read(redis, job_id)
        return record if record and record["status"] == "SUCCESS" else None

    return wait_until(result, what=f"{job_id} ends") or {}


def test_send_task_takes_the_largest_mail(redis: Any, other: Celery) -> None:
    """Celery escapes each letter for ASCII and puts the text into base64: 3.2 MB."""
    job = other.send_task("send_email", kwargs=LARGEST_MAIL, countdown=3600)
    wait_until(lambda: redis.zscore("delayed:notifications", job.id))


@pytest.mark.usefixtures("consumer")
@pytest.mark.parametrize("options", [{}, {"queue": "cpu"}, {"priority": 9}, {"queue": "cpu", "priority": 3}])
@pytest.mark.parametrize("arguments", [{"kwargs": {"number": 10}}, {"args": [10]}])
def test_send_task_runs_our_task(redis: Any, other: Celery, arguments: dict[str, Any], options: dict[str, Any]) -> None:
    """To Celery's default queue or to one of ours, under the id that the other project got."""
    job = other.send_task("sum", **arguments, **options)
    record = _ended(redis, job.id)
    assert (record["result"], record["queue"], record["attempts"]) == ("55", "cpu", "1")
    assert redis.exists(INBOX, REJECTED, "celery", "cpu") == 0


@pytest.mark.usefixtures("consumer")
def test_a_countdown_is_kept_and_another_queue_too(redis: Any, other: Celery) -> None:
    """What our own apply_async would do with it."""
    other.send_task("sum", args=[1], countdown=1000, task_id="later")
    other.send_task("sum", args=[1], queue="default", task_id="elsewhere")
    wait_until(lambda: redis.zscore("delayed:cpu", "later"))
    assert _ended(redis, "elsewhere")["queue"] == "default"


@pytest.mark.usefixtures("consumer")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"name": "rm"}, "no task is called 'rm'"),
        ({"kwargs": {"number": "ten"}}, "kwargs.number: Input should be a valid integer"),
        ({"expires": 60}, "expires: "),
        ({"time_limit": 5}, "timelimit: "),
        ({"compression": "gzip"}, "compression: "),
        ({"link": "sum"}, "callbacks: "),
        ({"serializer": "pickle"}, "content-type application/x-python-serialize: must be application/json"),
    ],
)
def test_unsupported_options_are_rejected_with_the_reason(
    redis: Any, other: Celery, options: dict[str, Any], reason: str
) -> None:
    """Nothing that was asked for is ignored, and the message is kept as it was."""
    if "link" in options:
        options = {"link": other.signature(options["link"])}
    job = other.send_task(**{"name": "sum", "kwargs": {"number": 1}, "queue": "cpu"} | options)
    (entry,) = rejected(redis)
    assert entry["reason"].startswith(reason)
    assert json.loads(entry["message"])["headers"]["id"] == job.id
    assert records.read(redis, job.id) is None


@pytest.mark.usefixtures("consumer")
@pytest.mark.parametrize("queue", ["celery", "cpu"])
@pytest.mark.parametrize(
    "text", ["", " ", "[null]", "\x00", "sum 10", "{", '{"body": 1, "headers": 2, "properties": 3}']
)
def test_a_malformed_message_is_rejected_and_blocks_no_other(redis: Any, other: Celery, queue: str, text: str) -> None:
    """Whatever is pushed to a queue where a Celery client pushes: the job behind it is done."""
    redis.lpush(queue, text)
    job = other.send_task("sum", args=[10], queue=queue)
    assert _ended(redis, job.id)["result"] == "55"
    assert [entry["message"] for entry in rejected(redis)] == [text]


def test_a_full_queue_holds_for_send_task_too(redis: Any, other: Celery, thawed: Worker) -> None:
    """More than QUEUE_LIMIT wait in the inbox, and all are done in the end."""
    thawed.send("STOP")
    sent = [other.send_task("sum", kwargs={"number": number}).id for number in range(LIMIT + 3)]
    wait_until(lambda: redis.llen(INBOX) == 3)
    assert [job["job_id"] for job in jobs(redis)] == sent[:LIMIT]
    thawed.send("CONT")
    assert [int(_ended(redis, job_id)["result"]) for job_id in sent] == [0, 1, 3, 6, 10, 15, 21, 28]


def test_many_pushed_to_our_queue_are_moved_a_few_at_a_time(redis: Any, other: Celery, thawed: Worker) -> None:
    """Between two of our own jobs: nothing is dropped, and no step of a consumer takes long."""
    thawed.send("STOP")
    with other.producer_pool.acquire() as producer:
        for number in range(100):
            other.send_task("sum", args=[number], queue="cpu", task_id=f"job-{number}", producer=producer)
    thawed.send("CONT")
    for number in range(100):
        assert int(_ended(redis, f"job-{number}")["result"]) == number * (number + 1) // 2


def test_messages_for_kombus_own_transport_are_found_too(server: RedisServer, start: StartProducer) -> None:
    """Its lists have a prefix that another project does not know; priority 0 is what Celery sends when none is given."""
    there: Any = Redis(port=server.port, db=3)
    producer = start(broker_url=f"redis+stock://127.0.0.1:{server.port}/3", redis_db=3)
    other = Celery("other", broker=server.url.replace("/0", "/3"), set_as_current=False)
    job = other.send_task("sum", args=[10], queue="cpu")
    wait_until(lambda: there.llen(queue_depths.stock_lists("cpu")[2]) == 1)  # the record is written before the message
    assert records.read(there, job.id)
    other.close()
    producer.kill()
