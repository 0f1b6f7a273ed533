"""The client, from Python and from the shell, through NGINX."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest
from celery import states

from project.client import Client, ProblemError
from project.job_models import Job
from tests.support import shell
from tests.support.ports import free_port
from tests.support.shell import running
from tests.support.stack import NativeStack
from tests.support.wait import wait_until

LIMIT = 3  # seconds that a job may run: one that takes longer fails
FULL = 3  # jobs that may wait in a queue
pytestmark = pytest.mark.stack(
    SHUTDOWN_TIMEOUT=1,
    FLOWER_PORT=free_port(),
    TASK_SOFT_TIME_LIMIT=LIMIT,
    TASK_TIME_LIMIT=LIMIT + 1,
    QUEUE_LIMIT=FULL,
)


@pytest.fixture
def run(stack: NativeStack) -> shell.Run:
    """Run a command on that stack."""
    return partial(shell.run, stack.url)


@pytest.fixture
def client(stack: NativeStack) -> Iterator[Client]:
    """A client of that stack."""
    with Client(stack.url) as client:
        yield client


@pytest.fixture
def resume_consumer(stack: NativeStack) -> Iterator[Callable[[], None]]:
    """Pause the consumer, so that jobs wait; return how to resume it, which the end of the test does too."""

    def send(number: int) -> None:
        for pid in stack.pids("celery", " worker "):
            os.kill(pid, number)

    send(signal.SIGSTOP)
    yield partial(send, signal.SIGCONT)
    send(signal.SIGCONT)


@pytest.fixture
def frozen(stack: NativeStack) -> Iterator[None]:
    """A Redis that does not answer until the test is over."""
    os.kill(stack.redis_pids()[0], signal.SIGSTOP)
    yield
    os.kill(stack.redis_pids()[0], signal.SIGCONT)


def test_a_result_is_one_command_away(run: shell.Run) -> None:
    """A number is printed as JSON, a text as it is; arguments may stand after the option too."""
    assert run("submit", "sum", "number=10", "--wait") == shell.Ended(0, "55\n", "")
    words = ("wait_and_return", "seconds=0", "--wait", "message=hello, world")
    assert run("submit", *words) == shell.Ended(0, "hello, world\n", "")
    assert run("submit", "wait_and_return", "seconds=0", 'message="10"', "--wait").out == "10\n"


def test_submit_prints_the_id_by_which_get_finds_the_job(run: shell.Run) -> None:
    """Whatever its task; as JSON in several lines for people, in one for scripts."""
    job_id = run("submit", "sum", "number=4", "--priority=0").out.strip()
    job = json.loads(run("get", job_id, "--wait").out)
    assert (job["job_id"], job["task"], job["result"]) == (job_id, "sum", 10)
    line = run("get", job_id, "--json").out
    assert json.loads(line) == job
    assert line.count("\n") == 1


def test_every_command_prints_json_for_scripts(run: shell.Run, client: Client) -> None:
    """One line that has what the service said."""
    accepted = json.loads(run("submit", "sum", "number=1", "--job-id=json-1", "--json").out)
    assert (accepted["job_id"], accepted["status"]) == ("json-1", states.PENDING)
    client.get("json-1", wait=30)
    (listed,) = json.loads(run("list", "--task=sum", "--status=SUCCESS", "--limit=1", "--json").out)["jobs"]
    assert listed["job_id"] == "json-1"
    assert json.loads(run("requeue", "--failed", "--task=sum", "--json").out) == {"job_ids": []}
    assert {queue["queue"] for queue in json.loads(run("queues", "--json").out)} >= {"cpu", "default"}
    assert json.loads(run("consumers", "--json").out)[0]["slots"] == 2
    assert {"sum", "wait_and_return"} <= {task["task"] for task in json.loads(run("tasks", "--json").out)}


def test_tables_are_for_people(run: shell.Run, client: Client) -> None:
    """Each has a head and a line for each entry."""
    client.get(client.submit("sum", {"number": 3}, job_id="table-1").job_id, wait=30)
    head, newest = run("list", "--limit=1").out.splitlines()
    assert head.split() == ["JOB", "TASK", "STATUS", "SUBMITTED"]
    assert newest.split()[:3] == ["table-1", "sum", states.SUCCESS] and newest.endswith("  6")
    tasks = {line.split()[0]: line.split()[2:4] for line in run("tasks").out.splitlines()}
    assert (tasks["sum"][0], tasks["wait_and_return"]) == ("number", ["[seconds]", "[message]"])
    head, cpu, *_ = run("queues").out.splitlines()
    assert (head.split(), cpu.split()[0]) == (["QUEUE", "WAITING", "DELAYED", "RUNNING", "OLDEST"], "cpu")
    assert " forked  0/2 " in run("consumers").out


def test_a_cancelled_job_is_an_error_until_it_is_requeued(run: shell.Run, client: Client) -> None:
    """Exit code 1 where its end is seen; what has ended cannot be cancelled, and keeps its result."""
    client.submit("sum", {"number": 5}, job_id="cancel-1", countdown=60)
    assert json.loads(run("cancel", "cancel-1").out)["status"] == states.REVOKED
    seen = run("get", "cancel-1", "--wait")
    assert (seen.code, seen.error) == (1, "glassqueue: job cancel-1 is REVOKED\n")
    assert run("requeue", "cancel-1") == shell.Ended(0, "cancel-1\n", "")
    assert client.get("cancel-1", wait=30).result == 15
    late = run("cancel", "cancel-1")
    assert (late.code, late.error) == (2, "glassqueue: The job has ended already (SUCCESS).\n")
    assert client.get("cancel-1").result == 15


def test_a_failed_job_is_exit_code_1_and_says_why(run: shell.Run, client: Client) -> None:
    """It takes longer than it may; then `requeue --failed` finds it."""
    failed = run("submit", "wait_and_return", "seconds=20", "--job-id=late", "--wait")
    assert (failed.code, failed.out) == (1, "")
    assert failed.error.startswith("glassqueue: job late is FAILURE: SoftTimeLimitExceeded: ")
    shown = run("get", "late")
    assert (shown.code, "traceback" in json.loads(shown.out)) == (1, False)
    assert shown.error.startswith("Traceback (most recent call last):\n")
    assert shown.error.endswith(f"SoftTimeLimitExceeded()\n{failed.error}")
    assert json.loads(run("get", "late", "--json").out)["traceback"] in shown.error
    assert client.get("late").traceback is None
    assert run("requeue", "--failed", "--task=wait_and_return").out == "late\n"
    with suppress(ProblemError):  # it may have failed again
        client.cancel("late")


def test_waiting_may_end_before_the_job(run: shell.Run) -> None:
    """Exit code 4, and the line names the job; it goes on."""
    waited = run("submit", "sum", "number=1", "--job-id=slow", "--countdown=60", "--wait=0.2")
    assert waited == shell.Ended(4, "", "glassqueue: job slow is PENDING\n")
    assert run("cancel", "slow").code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("submit sum number=ten", "body.number: Input should be a valid integer"),
        ("submit jobs/requeue", "No task and no job is called 'jobs/requeue'"),
        ("submit no_such_task", "GET /producer/api/tasks lists the tasks"),
        ("get no-such-job", "No job has this id"),
        ("list --url=localhost:8080", "localhost:8080 is not the URL of a service"),
    ],
)
def test_a_rejected_command_is_exit_code_2_and_one_line(run: shell.Run, words: str, says: str) -> None:
    """By the service, or by the client before the service misunderstands it."""
    ended = run(*words.split())
    assert (ended.code, ended.out, ended.error.count("\n")) == (2, "", 1)
    assert ended.error.startswith("glassqueue: ")
    assert says in ended.error


def test_an_unreachable_service_is_exit_code_3(stack: NativeStack, run: shell.Run) -> None:
    """No service listens there, or it is another one."""
    away = run("list", "--url=http://127.0.0.1:1")
    assert away == shell.Ended(
        3, "", "glassqueue: http://127.0.0.1:1 does not answer: [Errno 111] Connection refused\n"
    )
    other = run("list", f"--url=http://127.0.0.1:{stack.settings['FLOWER_PORT']}")
    assert other.error == "glassqueue: The response does not come from Glassqueue; check the URL.\n"


@pytest.mark.usefixtures("resume_consumer")
def test_a_full_queue_is_exit_code_3(run: shell.Run, client: Client) -> None:
    """If it stays full for as long as the client may try again."""
    job_ids = [client.submit("wait_and_return", {"seconds": 30}).job_id for _ in range(FULL)]
    refused = run("submit", "wait_and_return", "--retry-for=0")
    assert (refused.code, refused.error.count("\n")) == (3, 1)
    for job_id in job_ids:
        client.cancel(job_id)


@pytest.mark.usefixtures("frozen")
def test_a_frozen_redis_is_exit_code_3(run: shell.Run) -> None:
    """Looking around is not tried again, and submitting only for so long."""
    for words in (["queues"], ["submit", "sum", "number=1", "--retry-for=0"]):
        assert run(*words) == shell.Ended(3, "", "glassqueue: Redis does not answer at the moment; try again.\n")


def test_submitting_through_an_outage_makes_one_job(stack: NativeStack, client: Client) -> None:
    """The client tries again as Retry-After says, with the same Idempotency-Key."""
    redis = stack.redis_pids()[0]
    requests = stack.run_dir / "access.log"
    requests.touch()  # NGINX may not have logged anything yet
    seen = len(requests.read_text())
    os.kill(redis, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as thread:
        try:
            accepted = thread.submit(client.submit, "count_primes", {"limit": 10})
            wait_until(lambda: '"POST /producer/api/count_primes HTTP/1.1" 503' in requests.read_text()[seen:])
        finally:
            os.kill(redis, signal.SIGCONT)
        job = client.get(accepted.result(timeout=60).job_id, wait=30)
    assert [each.job_id for each in client.jobs(task="count_primes").jobs] == [job.job_id]
    assert job.result == 4


def test_a_wait_goes_on_when_its_connection_breaks(stack: NativeStack, client: Client) -> None:
    """NGINX crashes and restarts: a client that has reached it before retries."""
    job_id = client.submit("wait_and_return", {"seconds": 2}).job_id
    with ThreadPoolExecutor(1) as thread, Client(stack.url) as other:
        job = thread.submit(client.get, job_id, wait=30)
        wait_until(lambda: other.get(job_id).status == states.STARTED)
        for pid in stack.pids("nginx"):
            with suppress(ProcessLookupError):  # the launcher kills the workers of an NGINX that has died
                os.kill(pid, signal.SIGKILL)
        assert job.result(timeout=60).status == states.SUCCESS


def test_the_client_says_what_is_wrong_and_repeats_no_job(client: Client) -> None:
    """A ProblemError has the status and the fields; the same key is the same job."""
    with pytest.raises(ProblemError, match=r"body\.number: Field required") as refused:
        client.submit("sum", {})
    assert (refused.value.status, refused.value.temporary) == (422, False)
    assert [error["field"] for error in refused.value.errors] == ["body.number"]
    first, again = (client.submit("sum", {"number": 2}, idempotency_key="twice") for _ in range(2))
    assert first.job_id == again.job_id


def test_get_waits_no_longer_than_requested(client: Client) -> None:
    """It returns the job as it is then."""
    job_id = client.submit("sum", {"number": 1}, countdown=60).job_id
    begun = time.monotonic()
    assert client.get(job_id, wait=0.3).ready is False
    assert 0.3 <= time.monotonic() - begun < 10
    client.cancel(job_id)


def test_a_job_can_be_followed_to_its_end(client: Client) -> None:
    """With its progress on the way."""
    job_id = client.submit("count_primes", {"limit": 300_000}, countdown=2).job_id  # it begins while the client follows
    events = list(client.follow(job_id))
    jobs = [event for event in events if isinstance(event, Job)]
    assert jobs[-1].result == 25997
    assert any(job.progress and job.progress.fraction < 1 for job in jobs)


def test_watching_a_job_on_a_pipe_is_a_line_for_each_step(
    stack: NativeStack, client: Client, resume_consumer: Callable[[], None]
) -> None:
    """Status and progress; the exit code is how the job has ended."""
    job_id = client.submit("count_primes", {"limit": 100_000}).job_id
    with running(stack.url, "watch", job_id) as watch:
        watch.shows("PENDING")
        resume_consumer()
        code = watch.ended()
    first, started, *steps, last = watch.seen.splitlines()
    assert (code, first, started, last) == (0, "PENDING", "STARTED", "SUCCESS  9592")
    assert all(line.startswith("STARTED  [") and " primes up to " in line for line in steps)


def test_watching_all_jobs_on_a_pipe_is_a_line_for_each_change(stack: NativeStack, client: Client) -> None:
    """It is JSON with --json, and closing the pipe causes no error message."""
    with running(stack.url, "watch", "--json") as watch:
        wait_until(lambda: client.submit("sum", {"number": 1}) and "SUCCESS" in watch.read())
        change = json.loads(watch.seen.splitlines()[0])
        assert (change["task"], change["queue"]) == ("sum", "cpu")
        watch.close()
        wait_until(lambda: client.submit("sum", {"number": 1}) and watch.process.poll() is not None)
        assert watch.process.stderr
        assert (watch.process.returncode, watch.process.stderr.read()) == (141, b"")


def test_watching_all_jobs_on_a_terminal_is_a_table(stack: NativeStack, client: Client) -> None:
    """It is drawn anew when something happens; Ctrl-C leaves it."""
    with running(stack.url, "watch", terminal=True) as watch:
        watch.shows("JOB  ")
        client.submit("sum", {"number": 7}, job_id="seen-1")
        wait_until(lambda: "28\r\n" in watch.read().rpartition("seen-1")[2])
        assert watch.ended(signal.SIGINT) == 130
        assert watch.seen.endswith("glassqueue: interrupted\r\n")


def test_ctrl_c_while_waiting_leaves_the_job_alone(stack: NativeStack, client: Client) -> None:
    """Exit code 130, and one line that says so."""
    with running(
        stack.url, "submit", "wait_and_return", "seconds=2", "--job-id=mine", "--wait", terminal=True
    ) as submit:
        wait_until(lambda: any(job.job_id == "mine" for job in client.jobs(status="STARTED").jobs))
        assert submit.ended(signal.SIGINT) == 130
        assert submit.seen.count("\n") == 1
        assert submit.seen.startswith("glassqueue: interrupted")
    assert client.get("mine", wait=30).status == states.SUCCESS
