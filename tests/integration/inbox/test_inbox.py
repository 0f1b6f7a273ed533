"""The inbox: each message that a program pushes becomes one job or is rejected with a reason; none is dropped."""

import json
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from redis import Redis

from project.brokers import queue_depths
from project.inbox.messages import LONGEST
from project.inbox.redis_list import INBOX, REASON, REJECT, REJECTED, SHOWN
from project.leased_transport import keys
from tests.support.http import assert_problem
from tests.support.inbox import LARGEST_MAIL, LIMIT, jobs, push, rejected
from tests.support.processes import RedisServer
from tests.support.producer import Producer, StartProducer
from tests.support.wait import wait_until

DAMAGED = "a key of this job in Redis is damaged or has another type: "
NEXT_YEAR = (datetime.now(UTC) + timedelta(days=365)).isoformat()


@pytest.mark.parametrize(
    "message",
    [
        {"task": "sum", "kwargs": {"number": 10}},
        {"name": "sum", "args": [10]},
        {"task": "sum", "args": [10.0], "kwargs": {}, "queue": "cpu"},
        {"name": "sum", "namespace": "cpu", "kwargs": {"number": 10}, "priority": 0},
    ],
)
def test_a_message_becomes_the_job_that_a_post_would_become(redis: Any, message: dict[str, Any]) -> None:
    """Both spellings, both ways to give arguments, defaults filled in."""
    push(redis, message)
    (job,) = wait_until(lambda: jobs(redis))
    assert (job["task"], job["status"], job["kwargs"]) == ("sum", "PENDING", {"number": 10})
    assert redis.exists(INBOX, REJECTED) == 0


def test_a_message_may_choose_its_id_and_its_queue_and_its_time(redis: Any) -> None:
    """As task_id, queue and eta of Celery's apply_async."""
    push(redis, {"task": "sum", "args": [1], "job_id": "mine", "queue": "default"})
    (job,) = wait_until(lambda: jobs(redis, "default"))
    assert (job["job_id"], job["queue"]) == ("mine", "default")
    push(redis, {"task": "sum", "args": [1], "job_id": "later", "eta": NEXT_YEAR})
    wait_until(lambda: redis.zscore("delayed:cpu", "later"))


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_mail_of_the_largest_size_is_accepted_however_it_is_escaped(redis: Any, ascii_only: bool) -> None:
    """As over HTTP: each letter of it is 12 bytes when a program escapes it for ASCII, as Python's json does."""
    mail = {"task": "send_email", "kwargs": LARGEST_MAIL, "job_id": "mail", "eta": NEXT_YEAR}
    push(redis, json.dumps(mail, ensure_ascii=ascii_only))
    wait_until(lambda: redis.zscore("delayed:notifications", "mail"))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("sum 10", "not JSON"),
        ("", "not JSON"),
        (" \n", "not JSON"),
        ("null", "not a JSON object"),
        (b"\xff\xfe", "not JSON"),
        (b"\x00", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[1]", "not a JSON object"),
        ({"task": "sum", "args": [1], "eta": "2999-01-01T00:00:00Z"}, "eta: Input should be at most 8 years from now"),
        ({"task": "sum", "args": [1], "eta": "9999-12-31T23:59:59"}, "eta: Input should be at most 8 years from now"),
        ({"task": "sum", "args": [1], "eta": 32503680000}, "eta: Input should be a date and time"),
        ('{"task": "sum", "args": [1e999]}', "1e999 is not a finite number"),
        ('{"task": "sum", "args": [NaN]}', "NaN is not a finite number"),
        ('{"task": "sum", "args": [' + "1" * 5000 + "]}", "not JSON"),
        ({"task": "sum", "args": [1], "\ud800": 1}, ""),
        ({"task": "\ud800"}, r"no task is called '\ud800'"),
        ({}, "task: Field required"),
        ({"task": "sum", "name": "sum", "args": [1]}, "task and name mean the same: use only one of them"),
        ({"task": "sum", "args": [1], "retries": 3}, "retries: Extra inputs are not permitted"),
        ({"task": "nothing"}, "no task is called 'nothing'; GET /producer/api/tasks lists them"),
        (
            {"task": "sum", "queue": "elsewhere", "args": [1]},
            "no queue is called 'elsewhere'; GET /producer/api/queues",
        ),
        ({"task": "sum"}, "kwargs.number: Field required"),
        ({"task": "sum", "kwargs": {"number": "10"}}, "kwargs.number: Input should be a valid integer"),
        ({"task": "sum", "kwargs": {"number": -1}}, "kwargs.number: Input should be greater than or equal to 0"),
        ({"task": "sum", "args": [1, 2]}, "args: sum takes 1 arguments, not 2"),
        ({"task": "sum", "args": [1], "kwargs": {"number": 1}}, "kwargs.number: also given in args"),
        ({"task": "sum", "args": [1], "job_id": "no spaces"}, "job_id: String should match pattern"),
        ({"task": "sum", "args": [1], "job_id": "."}, "job_id: Input should not be . or .."),
        ({"task": "sum", "args": [1], "job_id": ".."}, "job_id: Input should not be . or .."),
        ({"task": "wait_and_return", "kwargs": {"message": "\ud800"}}, "kwargs.message: "),
        ({"task": "sum", "args": ["x" * LONGEST]}, f"a message may have at most {LONGEST} bytes"),
        ({f"k{i}": 1 for i in range(80_000)}, "a message may have at most 100 fields, not 80000"),
        ({"task": "sum", "args": [1], "job_id": "key-is-a-list"}, DAMAGED),
        ({"task": "sum", "args": [1], "job_id": "token-is-no-number"}, DAMAGED),
        ({"task": "sum", "args": [1], "job_id": "no-queue"}, DAMAGED),
        ({"task": "sum", "args": [1], "job_id": "nesting-is-no-number"}, "A job with this id exists already"),
    ],
)
def test_a_bad_message_is_rejected_with_the_reason(redis: Any, message: Any, reason: str) -> None:
    """The text is kept as it came, and those behind it go on."""
    redis.lpush(keys.job("key-is-a-list"), "what another program has put there")
    running = {"task": "sum", "status": "STARTED", "nesting": -1}
    redis.hset(keys.job("token-is-no-number"), mapping=running | {"queue": "cpu", "token": "x"})
    redis.hset(keys.job("no-queue"), mapping=running)
    redis.hset(keys.job("nesting-is-no-number"), mapping=running | {"status": "PENDING", "nesting": "x"})
    push(redis, message, {"task": "sum", "args": [1]})
    (entry,) = rejected(redis)
    text = message if isinstance(message, str | bytes) else json.dumps(message)
    text = text.decode(errors="backslashreplace") if isinstance(text, bytes) else text
    assert entry["message"] == text[:SHOWN]
    assert entry["reason"].startswith(reason) and len(entry["reason"]) <= REASON + 1
    assert entry.get("length", len(text)) == len(text)
    assert len(wait_until(lambda: jobs(redis))) == 1


def test_a_job_whose_queue_has_another_type_is_rejected_and_leaves_no_trace(
    server: RedisServer, start: StartProducer
) -> None:
    """Also without a limit of the queue, with which its length is read first."""
    there: Any = Redis(port=server.port, db=4)
    there.set("cpu", "no list")
    there.set("delayed:default", "no sorted set")
    producer = start(redis_db=4, queue_limit=0)
    later = {"eta": "2030-01-01T00:00:00Z", "queue": "default"}
    push(there, *({"task": "sum", "args": [1], "job_id": "a"} | extra for extra in ({}, {"job_id": "b"} | later)))
    assert all(entry["reason"].startswith(DAMAGED) for entry in rejected(there, 2))
    assert there.exists("job:a", "job:b", keys.RECENT) == 0
    producer.kill()
    there.flushdb()


@pytest.mark.parametrize("broker", ["redis", "redis+stock"])
def test_bad_messages_of_every_kind_cost_a_few_commands_each(
    redis: Any, server: RedisServer, start: StartProducer, broker: str
) -> None:
    """None of them is read again and again, and none stops those behind it; the same one twice is rejected twice."""
    there: Any = Redis(port=server.port, db=3)
    producer = start(broker_url=f"{broker}://127.0.0.1:{server.port}/3", redis_db=3)
    bad = ["", "", " ", "null", "0", '""', "[]", "{}", "x" * 2 * LONGEST, b"\xed\xa0\x80", "[" * 5000, '{"task": 1}']
    redis.config_resetstat()
    push(there, *bad, {"task": "sum", "args": [1], "job_id": "good"})
    wait_until(lambda: there.hget("job:good", "status") == b"PENDING")
    assert len(rejected(there, len(bad))) == len(bad)
    end = time.monotonic() + 1
    wait_until(lambda: time.monotonic() > end)
    stats: dict[str, dict[str, int]] = redis.info("commandstats")
    assert sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("blmove", "evalsha")) < 10 * len(bad)
    producer.kill()
    there.flushdb()


@pytest.mark.parametrize("name", [INBOX, REJECTED])
@pytest.mark.parametrize("command", [("SET", "text"), ("HSET", "field", "text"), ("SADD", "text")])
def test_a_key_of_another_type_is_renamed_and_the_inbox_goes_on(
    redis: Any, name: str, command: tuple[str, ...]
) -> None:
    """While it is there, no message can be pushed or rejected; its content is kept."""
    redis.execute_command(command[0], name, *command[1:])
    wait_until(lambda: redis.keys(f"{name}:not-a-list:*"))
    push(redis, "bad", {"task": "sum", "args": [1]})
    assert rejected(redis)[0]["message"] == "bad"
    assert len(wait_until(lambda: jobs(redis))) == 1


def test_a_celery_queue_that_is_not_a_list_blocks_nothing(redis: Any) -> None:
    """Only that queue is not looked at."""
    redis.set("celery", "text")
    push(redis, {"task": "sum", "args": [1]})
    assert len(wait_until(lambda: jobs(redis))) == 1
    assert redis.get("celery") == b"text"


def test_a_message_too_long_to_be_read_does_not_leave_redis(
    redis: Any, server: RedisServer, start: StartProducer
) -> None:
    """Only its beginning is kept in the rejection: read whole, it could fill the memory of each new producer."""
    there: Any = Redis(port=server.port, db=4)
    push(there, "x" * 5 * LONGEST, {"task": "sum", "args": [1]})
    sent = redis.info("stats")["total_net_output_bytes"]
    producer = start(redis_db=4)
    (entry,) = rejected(there)
    assert (entry["message"], entry["length"]) == ("x" * SHOWN, 5 * LONGEST)
    assert len(wait_until(lambda: jobs(there))) == 1
    assert redis.info("stats")["total_net_output_bytes"] - sent < LONGEST
    producer.kill()


def test_an_id_that_is_known_is_not_queued_again(redis: Any) -> None:
    """As the 409 over HTTP."""
    push(redis, *[{"task": "sum", "args": [1], "job_id": "once"}] * 2)
    assert rejected(redis)[0]["reason"] == "A job with this id exists already; nothing was queued."
    assert [job["job_id"] for job in jobs(redis)] == ["once"]


def test_the_same_message_twice_is_two_jobs(redis: Any) -> None:
    """Only an id says that two are one."""
    push(redis, *[{"task": "sum", "args": [1]}] * 2)
    wait_until(lambda: len(jobs(redis)) == 2)


def test_a_full_queue_lets_messages_wait_where_they_are(redis: Any) -> None:
    """QUEUE_LIMIT holds for this way in too; when there is room they go on, in their order."""
    push(redis, *({"task": "sum", "args": [number]} for number in range(LIMIT + 2)))
    wait_until(lambda: redis.llen("cpu") == LIMIT)
    for left in (1, 0):
        assert redis.rpop("cpu")
        wait_until(partial(_has, redis, INBOX, left))
        assert redis.llen("cpu") == LIMIT
    assert [job["kwargs"]["number"] for job in jobs(redis)] == list(range(2, LIMIT + 2))
    assert redis.exists(REJECTED) == 0


def test_a_full_redis_lets_messages_wait_where_they_are(redis: Any, producer: Producer) -> None:
    """Nothing is lost, and nothing is rejected: the messages are valid."""
    message = json.dumps({"task": "sum", "args": [1]})
    with redis.pipeline() as pipe:  # in one step, or the producer would be quicker
        pipe.lpush(INBOX, *[message] * 4).config_set("maxmemory", 1).execute()
    try:
        with producer.client() as http:
            assert_problem(http.post("/producer/api/sum", json={"number": 1}), 503)
        assert redis.llen(INBOX) >= 3  # one was on its way
        assert redis.exists(REJECTED) == 0
    finally:
        redis.config_set("maxmemory", 0)
    wait_until(lambda: len(jobs(redis)) == 4)


def test_the_inbox_works_with_the_stock_transport_too(redis: Any, server: RedisServer, start: StartProducer) -> None:
    """There a message is removed first and then submitted; one that cannot become a job is still rejected."""
    there: Any = Redis(port=server.port, db=2)
    producer = start(broker_url=f"redis+stock://127.0.0.1:{server.port}/2", redis_db=2)
    push(there, *[{"task": "sum", "args": [1], "job_id": "mine"}] * 2, "sum 10")
    assert [entry["reason"][:8] for entry in rejected(there, 2)] == ["A job wi", "not JSON"]
    assert (queue_depths.depths(there, ["cpu"])["cpu"]["waiting"], there.llen(INBOX)) == (1, 0)
    assert there.hget("job:mine", "status") == b"PENDING"
    producer.kill()


def test_of_rejected_messages_the_latest_are_kept(redis: Any) -> None:
    """In a list of their own here, so that the producer does not interfere."""
    for number in range(4):
        redis.lpush("elsewhere", number)
        assert REJECT(redis, ["elsewhere", REJECTED], [number, 1, f"told {number}", 2]) == 1
    assert REJECT(redis, ["elsewhere", REJECTED], [3, 1, "gone", 2]) == 0
    assert redis.lrange(REJECTED, 0, -1) == [b"told 3", b"told 2"]


def test_of_a_long_rejected_message_the_beginning_is_kept(redis: Any) -> None:
    """Rejected messages of 1 MiB each would soon fill the memory that the jobs need."""
    push(redis, "x" * 10 * SHOWN)
    (entry,) = rejected(redis)
    assert (entry["message"], entry["length"]) == ("x" * SHOWN, 10 * SHOWN)


def test_an_idle_inbox_costs_a_few_commands_a_second(redis: Any, producer: Producer) -> None:
    """It waits with a blocking command, without polling."""
    redis.config_resetstat()
    end = time.monotonic() + 3
    wait_until(lambda: time.monotonic() > end)
    stats: dict[str, dict[str, int]] = redis.info("commandstats")
    assert sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("blmove", "rpoplpush", "eval")) <= 20


def _has(redis: Any, name: str, length: int) -> bool:
    return bool(redis.llen(name) == length)
