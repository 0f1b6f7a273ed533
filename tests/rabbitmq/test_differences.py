"""What differs between RabbitMQ and Redis, as docs/how-to/use-rabbitmq.md has it."""

import os
import re
import signal
import threading
import time
from functools import partial
from typing import Any

import httpx
import psutil
import pytest
from redis import Redis

from tests.rabbitmq.conftest import ATTEMPTS, LIMIT
from tests.support.http import assert_problem, finished, look_up, submit
from tests.support.rabbitmq import RabbitServer
from tests.support.stack import NativeStack
from tests.support.stopwatch import takes_less_than
from tests.support.wait import wait_until

SUM, WAIT, EMAIL = (f"/producer/api/{task}" for task in ("sum", "wait_and_return", "send_email"))
MAIL = {"to": "ada@example.com", "subject": "Hello", "text": "It is due tomorrow."}


def _queue(http: httpx.Client, name: str) -> dict[str, Any]:
    (found,) = [queue for queue in http.get("/producer/api/queues").json() if queue["queue"] == name]
    return dict(found)


def _statistics(rabbit: RabbitServer, stack: NativeStack) -> dict[str, dict[str, Any]]:
    host = stack.settings["BROKER_URL"].rpartition("/")[2]
    queues = {queue["name"]: queue for queue in rabbit.manage(f"queues/{host}")}
    return queues if queues.keys() >= {"cpu", "default", "dead"} else {}


def _child(stack: NativeStack) -> psutil.Process:
    """Return the process that runs the consumer's jobs."""
    (main,) = [
        process
        for process in map(psutil.Process, stack.pids("celery", "worker"))
        if any("celery" in " ".join(child.cmdline()) for child in process.children())
    ]
    return main.children()[0]


def _started(http: httpx.Client, job_id: str, attempt: int = 1) -> bool:
    job = look_up(http, "wait_and_return", job_id)
    return (job["status"], job["attempts"]) == ("STARTED", attempt)


def _refused(stack: NativeStack, job_id: str) -> None:
    with stack.client() as http:
        assert http.post(SUM, params={"job_id": job_id}, json={"number": 1}).status_code >= 500


@pytest.fixture
def busy(http: httpx.Client) -> Any:
    """The consumer's only slot is taken, until the test is over."""
    job_id = submit(http, "wait_and_return", seconds=60)
    wait_until(partial(_started, http, job_id))
    yield job_id
    http.delete(f"{WAIT}/{job_id}")


def test_queues_and_messages_survive_rabbitmq(rabbit: RabbitServer, stack: NativeStack) -> None:
    """All queues of jobs are quorum queues with our limits."""
    queues = wait_until(lambda: _statistics(rabbit, stack), what="statistics of all queues are there")
    for name in ("cpu", "default"):
        arguments = queues[name]["arguments"]
        assert (queues[name]["type"], queues[name]["durable"]) == ("quorum", True)
        assert (arguments["x-delivery-limit"], arguments["x-max-length"]) == (ATTEMPTS - 1, LIMIT)
        assert arguments["x-consumer-timeout"] == 30 * 60 * 1000
    assert queues["dead"]["type"] == "quorum"


def test_a_poison_job_fails_and_can_be_requeued(stack: NativeStack, http: httpx.Client) -> None:
    """It killed its process in each of the attempts that it had; requeued, it has as many again."""
    job_id = submit(http, "wait_and_return", seconds=5, message="alive")
    for attempt in range(1, ATTEMPTS + 1):
        wait_until(partial(_started, http, job_id, attempt))
        _child(stack).kill()
    job = finished(http, "wait_and_return", job_id)
    assert (job["status"], job["attempts"], job["error"]["type"]) == ("FAILURE", ATTEMPTS, "PoisonJob")
    assert http.post(f"/producer/api/jobs/{job_id}/requeue").status_code == 202
    job = finished(http, "wait_and_return", job_id)
    assert (job["status"], job["result"], job["attempts"]) == ("SUCCESS", "alive", ATTEMPTS + 1)


@pytest.mark.parametrize("options", [2.4, 3.5])
def test_a_delayed_job_never_comes_early(http: httpx.Client, options: float) -> None:
    """RabbitMQ delays by whole seconds, rounded up; no consumer holds the job during the delay."""
    begun = time.time()
    job_id = http.post(SUM, params={"countdown": options}, json={"number": 3}).json()["job_id"]
    assert _queue(http, "cpu")["delayed"] == 1
    assert finished(http, "sum", job_id)["result"] == 6
    assert options <= time.time() - begun < options + 5
    assert _queue(http, "cpu")["delayed"] == 0


def test_a_full_queue_is_429_and_delayed_jobs_do_not_count(busy: str, http: httpx.Client) -> None:
    """RabbitMQ rejects jobs that do not fit, without a trace; jobs that fit later are accepted."""
    delayed = http.post(WAIT, params={"countdown": 5}, json={"seconds": 0}).json()["job_id"]
    jobs = [http.post(WAIT, json={"seconds": 0}) for _ in range(LIMIT + 5)]
    codes = [answer.status_code for answer in jobs]
    taken = [answer.json()["job_id"] for answer in jobs if answer.status_code == 202]
    assert codes == sorted(codes)
    assert LIMIT <= len(taken) < LIMIT + 5
    refusal = jobs[-1]
    assert_problem(refusal, 429)
    assert int(refusal.headers["retry-after"]) >= 1
    queue = _queue(http, "default")
    assert len(taken) - queue["waiting"] in (0, 1)  # the consumer may hold one that waits for its slot
    assert (queue["running"], queue["oldest_age"]) == (1, None)
    http.delete(f"{WAIT}/{busy}")
    for job_id in (*taken, delayed):
        assert finished(http, "wait_and_return", job_id)["status"] == "SUCCESS"


def test_a_job_revoked_while_it_waits_never_runs_and_runs_once_when_requeued(busy: str, http: httpx.Client) -> None:
    """Its first message is still in RabbitMQ, and is discarded when its turn comes."""
    job_id = submit(http, "wait_and_return", seconds=0, message="once")
    behind = submit(http, "wait_and_return", seconds=0)
    assert http.delete(f"{WAIT}/{job_id}").json()["status"] == "REVOKED"
    assert http.post(f"/producer/api/jobs/{job_id}/requeue").status_code == 202
    http.delete(f"{WAIT}/{busy}")
    finished(http, "wait_and_return", behind)
    assert finished(http, "wait_and_return", job_id)["attempts"] == 1
    wait_until(lambda: _queue(http, "default")["waiting"] == 0)
    assert finished(http, "wait_and_return", submit(http, "wait_and_return", seconds=0))["status"] == "SUCCESS"
    assert look_up(http, "wait_and_return", job_id)["attempts"] == 1


def test_a_record_whose_sender_died_is_forgotten(
    redis: Redis, http: httpx.Client, rabbit: RabbitServer, stack: NativeStack
) -> None:
    """Until RabbitMQ has confirmed the message a record has a time to live; a confirmed one has none."""
    confirmed = http.post(SUM, params={"countdown": 60}, json={"number": 1}).json()["job_id"]
    assert redis.ttl(f"job:{confirmed}") == -1
    http.delete(f"{SUM}/{confirmed}")
    rabbit.signal_all("STOP")
    client = threading.Thread(target=_refused, args=(stack, "half"))
    try:
        client.start()
        wait_until(lambda: redis.exists("job:half"))
        os.kill(stack.pids("uvicorn")[0], signal.SIGKILL)
        client.join()
        assert 0 < redis.ttl("job:half") <= 60
    finally:
        rabbit.signal_all("CONT")
    wait_until(lambda: http.get("/producer/health/ready").status_code == 200)


def test_the_dashboard_shows_the_queues(http: httpx.Client) -> None:
    """Flower asks RabbitMQ's management API, also about a queue that no consumer has reported to it."""
    waiting = f"{EMAIL}/{http.post(EMAIL, json=MAIL).json()['job_id']}"

    def page() -> str:
        return re.sub(r"\s", "", http.get("/dashboard/broker").text)

    (consumer,) = http.get("/producer/api/consumers").json()
    page_of_consumer = f"/dashboard/worker/{consumer['name']}"
    wait_until(
        lambda: "<td>cpu</td>" in http.get(page_of_consumer).text, what="Flower has asked the consumer for its queues"
    )
    wait_until(lambda: ">cpu<" in page() and ">notifications<" in page())
    assert "guest:guest" not in page()
    assert http.delete(waiting).is_success


def test_a_frozen_rabbitmq_means_503_within_2_s(stack: NativeStack, rabbit: RabbitServer, http: httpx.Client) -> None:
    """It applies to submitting, listing queues, requeueing and the readiness probe."""
    failed = submit(http, "wait_and_return", seconds=60)
    wait_until(partial(_started, http, failed))
    http.delete(f"{WAIT}/{failed}")
    rabbit.signal_all("STOP")
    try:
        for method, path in (
            ("POST", SUM),
            ("GET", "/producer/api/queues"),
            ("POST", f"/producer/api/jobs/{failed}/requeue"),
            ("GET", "/producer/health/ready"),
        ):
            with takes_less_than(2, *stack.pids("uvicorn"), *stack.pids("nginx"), *stack.redis_pids()):
                response = http.request(method, path, json={"number": 1} if path == SUM else None)
            assert_problem(response, 503)
        assert look_up(http, "wait_and_return", failed)["status"] == "REVOKED"
    finally:
        rabbit.signal_all("CONT")
    wait_until(lambda: http.get("/producer/health/ready").status_code == 200)
    assert finished(http, "sum", submit(http, "sum", number=4))["result"] == 10


def test_a_blocked_rabbitmq_means_503_within_2_s(stack: NativeStack, rabbit: RabbitServer, http: httpx.Client) -> None:
    """The answer says that RabbitMQ is low on memory; refused jobs never run, and everything else works."""
    rabbit.control("set_vm_memory_high_watermark", "absolute", "1")
    try:
        wait_until(lambda: http.post(SUM, json={"number": 1}).status_code == 503)
        with takes_less_than(2, *stack.pids("uvicorn"), *stack.pids("nginx"), *stack.redis_pids()):
            refused = http.post(SUM, params={"job_id": "refused"}, json={"number": 1})
        assert (
            "RabbitMQ blocks publishers because it is low on memory or disk" in assert_problem(refused, 503)["detail"]
        )
        for path in ("api/queues", "api/jobs", "health/ready"):
            assert http.get(f"/producer/{path}").status_code == 200
        assert_problem(http.get(f"{SUM}/refused"), 404)
    finally:
        rabbit.control("set_vm_memory_high_watermark", "0.4")
    wait_until(lambda: http.post(SUM, params={"job_id": "taken"}, json={"number": 2}).status_code == 202)
    assert finished(http, "sum", "taken")["result"] == 3


@pytest.mark.timeout(300)  # the consumer waits longer after each attempt to connect
def test_a_killed_rabbitmq_keeps_jobs_and_queues(rabbit: RabbitServer, http: httpx.Client, busy: str) -> None:
    """Accepted jobs are still in RabbitMQ, whether they were waiting, delayed or running."""
    later = http.post(SUM, params={"countdown": 2}, json={"number": 3}).json()["job_id"]
    waiting = [submit(http, "wait_and_return", seconds=0, message=str(n)) for n in range(LIMIT)]
    rabbit.kill()
    assert_problem(http.post(SUM, json={"number": 1}), 503)
    rabbit.start()
    wait_until(lambda: http.get("/producer/health/ready").status_code == 200)
    http.delete(f"{WAIT}/{busy}")
    assert finished(http, "sum", later, timeout=100)["result"] == 6
    for number, job_id in enumerate(waiting):
        assert finished(http, "wait_and_return", job_id, timeout=100)["result"] == str(number)
