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
from project.inbox.redis_list import INBOX, PUT_BACK, REASON, REJECT, REJECTED, REMOVE, SHOWN
from project.leased_transport import keys, scripts
from tests.chaos.proxy import CuttingProxy
from tests.support.http import assert_problem
from tests.support.inbox import LARGEST_MAIL, LIMIT, jobs, push, rejected
from tests.support.processes import RedisServer
from tests.support.producer import Producer, StartProducer
from tests.support.stopwatch import takes_less_than
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
    """Nobody could push a message, or have one rejected, while it is there; what it holds is kept."""
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
        wait_until(partial(_are, redis, INBOX, left))
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


def test_a_frozen_redis_delays_messages_and_no_stop(redis: Any, server: RedisServer, start: StartProducer) -> None:
    """A producer stops soon also while Redis does not answer; the other goes on when it does."""
    second = start()
    push(redis, {"task": "sum", "args": [1]})
    wait_until(lambda: jobs(redis))
    server.send("STOP")
    try:
        with takes_less_than(10, second.process.pid):
            second.stop()
    finally:
        server.send("CONT")
    push(redis, {"task": "sum", "args": [2]})
    wait_until(lambda: len(jobs(redis)) == 2)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("job_id", [{}, {"job_id": "mine"}], ids=["no id", "own id"])
def test_a_producer_killed_in_the_act_leaves_one_message_or_one_job(
    redis: Any, server: RedisServer, start: StartProducer, moment: str, job_id: dict[str, str]
) -> None:
    """Killed while it sends the admission: Redis has run the script or not, and the next producer continues."""
    redis.script_load(scripts.ADMIT.text)
    away: Any = Redis(port=server.port, db=1)  # the other producers of this module do not look there
    victims: list[Producer] = []

    def kill(_: int, data: bytes) -> str | None:
        if scripts.ADMIT.sha.encode() not in data:
            return None
        victims[0].kill()
        return moment

    with CuttingProxy(server.port, kill) as proxy:
        victims.append(start(port=proxy.port, redis_db=1))
        push(away, {"task": "sum", "args": [1]} | job_id)
        wait_until(partial(_ended, victims[0]), what="the producer is killed")
    places = (1, 0) if moment == "before" else (0, 1)
    wait_until(lambda: (away.llen(INBOX), away.llen("cpu")) == places, what=f"it is in {places}")
    heir = start(redis_db=1)
    wait_until(partial(_are, away, INBOX, 0))
    heir.kill()
    assert [job["kwargs"] for job in jobs(away)] == [{"number": 1}]


@pytest.mark.heavy
def test_producers_killed_at_any_moment_lose_nothing_and_double_nothing(redis: Any, start: StartProducer) -> None:
    """Two read side by side, half of the messages name no id, and one of the two is killed again and again."""
    numbers = range(3000)
    push(redis, *({"task": "count_primes", "queue": "default", "args": [number]} | _id(number) for number in numbers))
    done = 0
    pair = [start(), start()]
    while redis.llen(INBOX):
        goal = done + 400
        wait_until(partial(_reach, redis, "default", min(goal, len(numbers))))
        done = redis.llen("default")
        pair.pop(0).kill()
        pair.append(start())
    found = jobs(redis, "default")
    assert sorted(job["kwargs"]["limit"] for job in found) == list(numbers)
    assert all(job["job_id"] == f"job-{job['kwargs']['limit']}" for job in found if job["kwargs"]["limit"] % 2)
    assert redis.exists(REJECTED) == 0
    for producer in pair:
        producer.kill()


@pytest.mark.parametrize(
    ("step", "moment"),
    [
        ("remove", "before"),
        ("remove", "after"),
        ("register", "before"),
        ("put_back", "before"),
        ("put_back", "after"),
    ],
)
def test_an_outage_loses_and_doubles_no_message_of_a_producer_without_leases(
    server: RedisServer, start: StartProducer, step: str, moment: str
) -> None:
    """Redis goes away while the producer removes a message, submits its job, or puts it back as that has failed."""
    there: Any = Redis(port=server.port, db=6)
    steps = {"remove": REMOVE, "register": scripts.REGISTER, "put_back": PUT_BACK}
    for script in steps.values():
        there.script_load(script.text)
    cuts = {step: [moment] * 3} | ({"register": ["before"] * 2} if step == "put_back" else {})

    def sent() -> int:
        return sum(there.llen(name) for name in queue_depths.stock_lists("cpu"))

    def cut(_: int, data: bytes) -> str | None:
        name = next((name for name, script in steps.items() if script.sha.encode() in data), "")
        return cuts[name].pop() if cuts.get(name) else None

    with CuttingProxy(server.port, cut) as proxy:
        url = f"redis+stock://127.0.0.1:{proxy.port}/6"
        producer = start(proxy.port, broker_url=url, redis_db=6, redis_down_pause=0.1)
        same = {"task": "sum", "args": [1]}
        push(there, same, same, {"task": "sum", "args": [2]})
        wait_until(lambda: sent() >= 3 and not there.keys("inbox*"), 10, "all messages are jobs")
        assert not any(cuts.values())
        producer.kill()
    numbers = [json.loads(there.hget(key, "message"))[1]["number"] for key in there.scan_iter("job:*")]
    assert (sorted(numbers), sent()) == ([1, 1, 2], 3)
    there.flushdb()


def _are(redis: Any, name: str, length: int) -> bool:
    return bool(redis.llen(name) == length)


def _reach(redis: Any, name: str, length: int) -> bool:
    return bool(redis.llen(name) >= length)


def _ended(producer: Producer) -> bool:
    return producer.process.poll() is not None


def _id(number: int) -> dict[str, str]:
    return {"job_id": f"job-{number}"} if number % 2 else {}
